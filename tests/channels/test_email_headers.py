"""Header fields: whoever decodes them by RFC 2047 gets exactly the text that was given."""

from __future__ import annotations

import base64
import quopri
import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email.headers import MAX_WORD, mailbox_field, text_field

_WORD = re.compile(r"=\?utf-8\?([qb])\?([!->@-~]*)\?=")

# A title as the API accepts it.
_PIECES = [" ", "=?", "?=", "é", "я", "漢", "한", "ا", "क्षि", "👩\u200d🚀", "🇩🇪", '"', "\\", "<", ",", "_", "word "]
titles = st.lists(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]) | st.sampled_from(_PIECES), min_size=1, max_size=100
).map(lambda pieces: "".join(pieces)[:200])


def decoded(field: str) -> str:
    """The value of a field, by the text of RFC 2047 §6.2 and RFC 5322 §2.2.3 alone."""
    assert field.endswith("\r\n")
    value = field.removesuffix("\r\n").replace("\r\n", "").partition(": ")[2]
    value = re.sub(rf"({_WORD.pattern}) +(?=\=\?utf-8)", r"\1", value)
    return _WORD.sub(lambda word: _text_of(word[1], word[2]), value)


def _text_of(encoding: str, text: str) -> str:
    raw = base64.b64decode(text, validate=True) if encoding == "b" else quopri.decodestring(text, header=True)
    # Each word by itself: raises an error if a character is split between two.
    return raw.decode()


def check(field: str) -> None:
    """The limits of RFC 5322 §2.1.1 and RFC 2047 §2."""
    for line in field.removesuffix("\r\n").split("\r\n"):
        assert line.isascii()
        assert line.isprintable()
        assert line.strip()
        words = [word for word in line.split() if word.startswith("=?")]
        assert len(line) <= (76 if words else 78)
        for word in words:
            assert len(word) <= MAX_WORD
            assert _WORD.fullmatch(word)


@settings(max_examples=300, deadline=None)
@given(titles)
def test_every_title_is_decoded_to_what_was_given(title: str) -> None:
    field = text_field("Subject", title)
    check(field)
    assert decoded(field) == title
    # Two decoders of the standard library. A header of plain ASCII has no encoded blanks at its ends.
    value = field.partition(": ")[2].removesuffix("\r\n").replace("\r\n", "")
    assert str(make_header(decode_header(value))) == title
    parsed = message_from_bytes(field.encode() + b"\r\n", policy=policy.default)["Subject"]
    assert parsed.strip() == title.strip()
    assert parsed.defects == ()


@pytest.mark.parametrize(
    "title",
    [
        "Уведомление о принятии в работу обращения",
        "आपका ऑर्डर भेज दिया गया है और कल तक पहुँच जाएगा",
        "ご注文 の 商品 を 発送 しました " * 4,
        "لقد تم شحن طلبك وسيصل غدا إن شاء الله تعالى قبل الظهر",
        "Ihre Bestellung wurde verschickt und kommt übermorgen zwischen zehn und zwölf Uhr",
        "Your order has been sent and will arrive on Friday, between ten o'clock and noon. " * 2,
        " a  b ",
        "x" * 200,
        "=?utf-8?q?a?= =?utf-8?q?b?=",
    ],
)
def test_blanks_are_kept_in_every_script(title: str) -> None:
    field = text_field("Subject", title)
    check(field)
    assert decoded(field) == title


def test_plain_text_stays_readable() -> None:
    assert text_field("Subject", "Backup finished") == "Subject: Backup finished\r\n"
    assert text_field("Subject", "word " * 19 + "end").count("=?") == 0
    # The shorter of the two encodings, so that text with a few accents can be read.
    assert text_field("Subject", "Die Bestellung ist übergeben") == (
        "Subject: =?utf-8?q?Die_Bestellung_ist_=C3=BCbergeben?=\r\n"
    )


@settings(max_examples=300, deadline=None)
@given(titles.filter(lambda name: name.strip() == name))
def test_every_name_of_a_sender_is_decoded_to_what_was_given(name: str) -> None:
    field = mailbox_field("From", Address(name, "bell", "carillon.example"))
    check(field)
    parsed = message_from_bytes(field.encode() + b"\r\n", policy=policy.default)["From"]
    [mailbox] = parsed.addresses
    assert mailbox.addr_spec == "bell@carillon.example"
    assert decoded(field).endswith("<bell@carillon.example>")
    if "=?" in field:
        assert decoded(field) == f"{name} <bell@carillon.example>"
    else:
        assert mailbox.display_name == name
