"""The words of a text, for search: one tokenizer for both databases, so that the same query finds the same messages."""

from __future__ import annotations

import re
import unicodedata
from itertools import groupby
from typing import NamedTuple

# A longer word is cut off: nobody types more of it, and PostgreSQL has a limit of 2,046 bytes for one.
MAX_LENGTH = 64

# Diacritics that people leave out when they type: combining marks, Hebrew points, Arabic vowels. Marks of other scripts
# make other letters, and stay.
_DIACRITICS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f\u0591-\u05c7\u064b-\u0652\u0670"
# Scripts that put no spaces between words: Thai, Lao, Myanmar, Khmer, Bopomofo, kana, Han. And Hangul, whose words end
# in particles.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3100-\u312f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_IGNORED = re.compile(f"[{_DIACRITICS}]")
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]").match
# Two of these letters are the flag of a country.
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]{2}|.", re.DOTALL)


class Query(NamedTuple):
    """What a message must contain: all of `words`, and a word that begins with `prefix`, if there is one."""

    words: tuple[str, ...]
    prefix: str | None


def tokens(text: str) -> set[str]:
    """The tokens under which a text is found: words, emoji, and pairs and single characters of unspaced scripts."""
    found: set[str] = set()
    for kind, run in _runs(text):
        if kind == "unspaced":
            found.update(run)
            found.update(_pairs(run))
        else:
            found.add(run)
    return found


def query(text: str) -> Query:
    """What a person searches for. The last word may be unfinished, unless a space follows it."""
    words: list[str] = []
    last = ""
    for last, run in _runs(text):
        words += _pairs(run) if last == "unspaced" and len(run) > 1 else [run]
    unfinished = last == "word" and _is_open(text)
    return Query(tuple(dict.fromkeys(words[:-1] if unfinished else words)), words[-1] if unfinished else None)


def _is_open(text: str) -> bool:
    return not text[-1].isspace()


def _runs(text: str) -> list[tuple[str, str]]:
    """The runs of a text with their kinds, without what is neither a letter, a digit nor a symbol."""
    runs: list[tuple[str, str]] = []
    for kind, characters in groupby(_folded(text), _kind):
        run = "".join(characters)
        if kind == "word":
            runs.append((kind, run[:MAX_LENGTH]))
        elif kind == "symbol":
            runs += [(kind, symbol) for symbol in _FLAG.findall(run)]
        elif kind == "unspaced":
            runs.append((kind, run))
    return runs


def _kind(character: str) -> str:
    if _IS_UNSPACED(character):
        return "unspaced"
    category = unicodedata.category(character)
    # Marks that are left are vowels. So: emoji, and symbols like them; their skin tones are of another category.
    return "word" if category[0] in "LNM" else "symbol" if category == "So" else ""


def _folded(text: str) -> str:
    # Compatible forms are one (full width, ligatures), and so are upper and lower case.
    apart = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", _IGNORED.sub("", apart))


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)]
