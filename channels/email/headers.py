"""Header fields of a mail with text of any script: encoded words (RFC 2047), folded (RFC 5322 §2.2.3).

The standard library's own encoding is not used. It loses blanks between encoded words (python/cpython#92081, #144156),
and it decodes encoded words that are in the text, which has let a title add headers to a mail (CVE-2024-6923).
"""

from __future__ import annotations

import re
import textwrap
from email.base64mime import header_encode as base64_word
from email.headerregistry import Address
from email.quoprimime import header_encode as quoted_word

# RFC 5322 §2.1.1 for any line, RFC 2047 §2 for a line with an encoded word and for the word itself.
MAX_LINE = 78
MAX_ENCODED_LINE = 76
MAX_WORD = 75

# Text that every reader shows as it is: ASCII words, separated by single blanks.
_PLAIN = re.compile(r"[!-~]+( [!-~]+)*")


def text_field(name: str, text: str) -> str:
    """Return the field, with its line ends. Decoded by RFC 2047, it is exactly `text`."""
    if _is_plain(text) and max(map(len, text.split(" "))) <= MAX_LINE - len(f"{name}: "):
        line = f"{name}: {text}"
        folded = textwrap.wrap(line, MAX_LINE, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False)
        return "\r\n".join(folded) + "\r\n"
    return f"{name}: {_encoded_words(name, text)}\r\n"


def mailbox_field(name: str, mailbox: Address) -> str:
    """Return the field, with its line ends, for one ASCII address with or without a display name."""
    line = f"{name}: {mailbox}"
    if not mailbox.display_name or (_is_plain(mailbox.display_name) and len(line) <= MAX_LINE):
        return line + "\r\n"
    return f"{name}: {_encoded_words(name, mailbox.display_name)}\r\n <{mailbox.addr_spec}>\r\n"


def _is_plain(text: str) -> bool:
    return bool(_PLAIN.fullmatch(text)) and "=?" not in text


def _encoded_words(name: str, text: str) -> str:
    """Return `text` as encoded words, one on a line. A reader drops the blanks between them."""
    encode = min((_quoted, _base64), key=lambda encode: len(encode(text)))
    words = []
    word = ""
    room = MAX_ENCODED_LINE - len(f"{name}: ")
    for character in text:
        # Each word is decoded by itself, so none may end within a character.
        if word and len(encode(word + character)) > room:
            words.append(encode(word))
            word, room = "", MAX_WORD
        word += character
    return "\r\n ".join([*words, encode(word)])


def _quoted(text: str) -> str:
    return quoted_word(text.encode(), "utf-8")


def _base64(text: str) -> str:
    return base64_word(text.encode(), "utf-8")
