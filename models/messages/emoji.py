"""Which texts are one emoji."""

from __future__ import annotations

import unicodedata

from wcwidth import iter_graphemes

# A family of four with skin tones has 11.
_MAX = 32
_SELECTOR, _KEYCAP, _JOINER = "\ufe0f", "\u20e3", "\u200d"
# Letters and signs that a selector turns into emoji, by their categories, and the one that is a letter.
_SIGNS = ("Sm", "Po", "Pd")
_LETTERS = "ℹ"


def one_emoji(text: str) -> str | None:
    """The text in NFC, if it is a single emoji as people see it; None for anything else."""
    emoji = unicodedata.normalize("NFC", text)
    if not 0 < len(emoji) <= _MAX or len(list(iter_graphemes(emoji))) != 1:
        return None
    first, rest = emoji[0], emoji[1:]
    if first in "#*0123456789":
        return emoji if rest in (_SELECTOR + _KEYCAP, _KEYCAP) else None
    if unicodedata.category(first) != "So":
        sign = not first.isascii() and (unicodedata.category(first) in _SIGNS or first in _LETTERS)
        if not sign or not rest.startswith(_SELECTOR):
            return None
    # A flag is two of these.
    if _is_flag_letter(first) and len(emoji) != 2:
        return None
    return emoji if all(map(_continues, rest)) else None


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _continues(char: str) -> bool:
    tone = "\U0001f3fb" <= char <= "\U0001f3ff"
    tag = "\U000e0020" <= char <= "\U000e007f"
    signs = char in (_SELECTOR, _JOINER) or unicodedata.category(char) in ("So", "Sm")
    return tone or tag or signs
