"""Texts of others: cut where a reader sees a boundary between characters, and freed of what is no text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from wcwidth import iter_graphemes

# Control characters: terminals obey them, and PostgreSQL refuses NUL. Ends of lines. Characters that change the
# direction of what follows. Halves of a surrogate pair, which cannot be encoded.
UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return `text` in one line that can be stored and printed anywhere, with a space for each run of `UNPRINTABLE`."""
    return " ".join(UNPRINTABLE.sub(" ", text).split())


def cut(text: str, limit: int, *, end: str = "", size: Callable[[str], int] = len) -> str:
    """Return `text`, or as much of its beginning as fits into `limit` together with `end`.

    `size` measures a text, by default in code points; the size of a text has to be the sum of the sizes of its parts.
    The cut is between grapheme clusters (Unicode Standard Annex 29), which keeps flags, emoji and letters with marks
    whole. Only a first cluster that is longer than the limit by itself is cut between code points.
    """
    if size(text) <= limit:
        return text
    room = limit - size(end)
    kept = _fitting(iter_graphemes(text), room, size) or _fitting(text, room, size)
    return kept + end if kept else ""


def _fitting(parts: Iterable[str], room: int, size: Callable[[str], int]) -> str:
    kept: list[str] = []
    for part in parts:
        room -= size(part)
        if room < 0:
            break
        kept.append(part)
    return "".join(kept)
