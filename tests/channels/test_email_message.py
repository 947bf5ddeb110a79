"""The content of mails: no value can add a header, and everything in the HTML is escaped."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.email.message import MAX_MESSAGE_ID, Mail, MailBuilder, message_id
from models.deliveries.message import Message
from tests.channels.support import NOTIFICATION, content, message

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SENDER = Address("Carillon", "bell", "carillon.example")
FOOTER = "You receive this e-mail because Carillon sends notifications to this address."
HEADERS = [
    "To", "Message-ID", "From", "Subject", "Date", "X-Carillon-Notification", "Auto-Submitted", "MIME-Version",
    "Content-Type",
]  # fmt: skip


def mail(message: Message) -> Mail:
    return MailBuilder(SENDER, NOW).build(message)


def rendered(locale: str | None = None, address: str = "ann@mail.example", **fields: Any) -> EmailMessage:
    raw = mail(message(address, about=content(**fields), delivery_id=7, locale=locale)).content
    parsed = message_from_bytes(raw, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def parts(parsed: EmailMessage) -> tuple[str, str]:
    text, html = (part.get_content().replace("\r\n", "\n") for part in parsed.iter_parts())
    return text, html


class Page(HTMLParser):
    """The elements and the text of an HTML page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_mail_has_exactly_these_headers() -> None:
    parsed = rendered()
    assert sorted(parsed.keys()) == sorted(HEADERS)
    assert parsed["From"] == "Carillon <bell@carillon.example>"
    assert parsed["To"] == "ann@mail.example"
    assert parsed["Subject"] == "Backup finished"
    assert parsed["Date"].datetime == NOW
    assert parsed["Message-ID"] == f"<{NOTIFICATION}.7@carillon.example>"
    assert parsed["X-Carillon-Notification"] == NOTIFICATION
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]


def test_a_retry_sends_the_same_mail_with_the_same_message_id() -> None:
    first, second = rendered(), rendered()
    assert first["Message-ID"] == second["Message-ID"]
    assert parts(first) == parts(second)


def test_text_and_html_have_the_same_content() -> None:
    parsed = rendered(message="One.\r\n\r\n\r\nTwo,\nthree.\n", url="https://example.com/a?b=1&c=ü", level="critical")
    text, html = parts(parsed)
    assert text == (
        "Backup finished\n\nOne.\n\n\nTwo,\nthree.\n\n"
        f"Open example.com: https://example.com/a?b=1&c=%C3%BC\n\n-- \n{FOOTER}\n"
    )
    page = Page(html)
    assert [tag for tag, _ in page.tags].count("br") == 1
    assert [tag for tag, _ in page.tags].count("p") == 5
    assert [attributes["href"] for tag, attributes in page.tags if tag == "a"] == ["https://example.com/a?b=1&c=%C3%BC"]
    assert all(attributes["dir"] == "auto" for tag, attributes in page.tags if tag == "h1")
    assert "Two," in page.text
    assert "example.com" in page.text


@pytest.mark.parametrize(
    ("locale", "language"),
    [("de", "de"), ("de_DE", "de-DE"), ("zh-Hant-TW", "zh-Hant-TW"), (None, None), ('en"><script>', None), ("", None)],
)
def test_the_language_is_the_locale_if_it_is_a_valid_tag(locale: str | None, language: str | None) -> None:
    parsed = rendered(locale=locale)
    assert parsed["Content-Language"] == language
    [html] = [attributes for tag, attributes in Page(parts(parsed)[1]).tags if tag == "html"]
    assert html == ({"lang": language} if language else {})


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "ftp://example.com/", "//example.com/", "https://", "/path", "",
     "https://user:secret@example.com/", "https://example.com/\n", "https://exa mple.com/", "https://[x/", "HTTPS"],
)  # fmt: skip
def test_a_url_that_is_not_a_web_page_is_left_out(url: str) -> None:
    text, html = parts(rendered(url=url))
    assert "a" not in [tag for tag, _ in Page(html).tags]
    assert text == f"Backup finished\n\nAll 3 volumes were saved.\n\n-- \n{FOOTER}\n"


@pytest.mark.parametrize("field", ["title", "message"])
def test_markup_in_a_field_is_escaped(field: str) -> None:
    markup = "<script>alert('x')</script>\" onload='x' &amp; {colour} {0} %s </h1></p>"
    text, html = parts(rendered(**{field: markup}))
    plain = [tag for tag, _ in Page(parts(rendered())[1]).tags]
    assert [tag for tag, _ in Page(html).tags] == plain
    assert markup in Page(html).text
    assert markup in text


@pytest.mark.parametrize(
    "character", ["\r", "\n", "\0", "\t", "\x0b", "\x1f", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"]
)
def test_a_character_that_could_end_a_header_becomes_a_blank(character: str) -> None:
    # The API refuses such titles. Versions before did not, and what they accepted is sent too.
    parsed = rendered(title=f"a{character}Bcc: eve@example.com")
    assert sorted(parsed.keys()) == sorted(HEADERS)
    assert parsed["Subject"] == "a Bcc: eve@example.com"


@pytest.mark.parametrize(
    "title",
    [
        "=?utf-8?q?=0d=0aBcc:_eve@example.com?=",
        "x =?us-ascii?q?=0aBcc:_eve@example.com?=",
        "=?utf-8?b?DQpCY2M6IGV2ZQ==?=",
    ],
)
def test_an_encoded_word_in_a_title_is_not_decoded(title: str) -> None:
    parsed = rendered(title=title)
    assert sorted(parsed.keys()) == sorted(HEADERS)
    assert parsed["Subject"] == title


def test_what_no_text_should_have_is_removed() -> None:
    text, html = parts(rendered(message="a\0b\x0bc\x7f\x92\ud800d\te\rf"))
    assert "abcd\te\nf\n" in text
    assert "abcd" in html


@settings(max_examples=60, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=200),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=300),
)
def test_any_title_and_text_arrive_unchanged(title: str, text: str) -> None:
    raw = mail(message("ann@mail.example", about=content(title=title, message=text))).content
    parsed = message_from_bytes(raw, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert sorted(parsed.keys()) == sorted(HEADERS)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    # A parsed header has no blanks at its ends.
    assert parsed["Subject"].strip() == title.strip()
    assert parts(parsed)[0] == f"{title}\n\n{text}\n\n-- \n{FOOTER}\n" or not text


def test_the_brand_is_the_name_of_the_sender_and_the_footer_says_why_the_mail_came() -> None:
    text, html = parts(rendered())
    assert text.endswith(f"\n\n-- \n{FOOTER}\n")
    assert "Carillon" in FOOTER
    assert Page(html).text.split()[:3] == ["Carillon", "Backup", "finished"]
    assert FOOTER in Page(html).text


def test_an_installation_has_its_own_brand_and_footer() -> None:
    sender = Address("Käse & <Brot>", "shop", "shop.example")
    raw = MailBuilder(sender, NOW, "Käse GmbH, Wien\nNo reply").build(message("ann@mail.example")).content
    parsed = message_from_bytes(raw, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    [mailbox] = parsed["From"].addresses
    assert (mailbox.display_name, mailbox.addr_spec) == ("Käse & <Brot>", "shop@shop.example")
    text, html = parts(parsed)
    assert text.endswith("\n-- \nKäse GmbH, Wien\nNo reply\n")
    assert "Käse & <Brot>" in Page(html).text
    assert "Käse GmbH, Wien\nNo reply" in Page(html).text


def test_without_a_name_the_brand_is_the_domain() -> None:
    raw = MailBuilder(Address("", "shop", "shop.example"), NOW).build(message("ann@mail.example")).content
    parsed = message_from_bytes(raw, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert parsed["From"] == "shop@shop.example"
    assert "because shop.example sends" in parts(parsed)[0]


@pytest.mark.parametrize(
    ("data", "label"),
    [
        ({"action_label": "View <order>"}, "View <order>"),
        ({}, "Open shop.example"),
        # `data` is the caller's, and may have such a member already.
        ({"action_label": 7}, "Open shop.example"),
        ({"action_label": " \n"}, "Open shop.example"),
        ({"action_label": "two\nlines"}, "two lines"),
        ({"action_label": "🇩🇪" * 40}, "🇩🇪" * 19 + "…"),
    ],
)
def test_the_button_says_what_it_does(data: dict[str, Any], label: str) -> None:
    text, html = parts(rendered(data=data, url="https://shop.example:444/orders/7?a=1&b"))
    assert f"{label}: https://shop.example:444/orders/7?a=1&b\n" in text
    assert label in Page(html).text
    assert [a["href"] for tag, a in Page(html).tags if tag == "a"] == ["https://shop.example:444/orders/7?a=1&b"]


def test_short_texts_differ_from_their_html_in_the_brand_only() -> None:
    # SpamAssassin's MPART_ALT_DIFF gives 2.2 points if most words occur more often in the HTML than in the text.
    raw = MailBuilder(SENDER, NOW, "Bye").build(message("ann@mail.example", about=content(title="Hi", message="Hi")))
    parsed = message_from_bytes(raw.content, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    text, html = parts(parsed)
    words = Counter(Page(html).text.split()) - Counter(text.split())
    assert words == {"Carillon": 1}


@pytest.mark.parametrize(
    ("title", "text", "direction"),
    [
        ("Backup finished", "", "ltr"),
        ("تم النسخ", "تم", "rtl"),
        ("42: שלום", "hello", "rtl"),
        ("42", "שלום", "rtl"),
        ("Hello", "שלום", "ltr"),
        ("42", "!", "ltr"),
    ],
)
def test_the_button_is_on_the_side_on_which_the_text_begins(title: str, text: str, direction: str) -> None:
    html = parts(rendered(title=title, message=text, url="https://example.com/"))[1]
    tags = Page(html).tags
    [article] = [a for tag, a in tags if a.get("role") == "article"]
    assert article["dir"] == direction
    # Brand, button and footer are aligned with it, so their paragraphs have no direction of their own.
    assert [a.get("dir") for tag, a in tags if tag == "p"] == [None, *["auto"] * bool(text), None, None]


def test_words_of_any_length_are_broken_everywhere() -> None:
    html = parts(rendered())[1]
    [article] = [a for tag, a in Page(html).tags if a.get("role") == "article"]
    assert "overflow-wrap:anywhere;word-break:break-word" in str(article["style"])


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See https://shop.example/orders/7?a=1&b=2.", ["https://shop.example/orders/7?a=1&b=2"]),
        ("(http://a.example/x), HTTPS://B.example!", ["http://a.example/x", "HTTPS://B.example"]),
        ('"https://a.example/<b>"', ["https://a.example/"]),
        ("javascript:alert(1) ftp://a.example https://", []),
    ],
)
def test_a_url_in_the_message_is_a_link(text: str, links: list[str]) -> None:
    page = Page(parts(rendered(message=text))[1])
    assert [a["href"] for tag, a in page.tags if tag == "a"] == links
    assert text in page.text


@pytest.mark.parametrize(
    ("url", "ascii_url"),
    [
        ("https://bücher.example:8443/ä b", None),
        ("https://bücher.example:8443/ä?q=ö#ü", "https://xn--bcher-kva.example:8443/%C3%A4?q=%C3%B6#%C3%BC"),
        ("https://shop.example/%C3%A4?a=[1]&b={2}|3", "https://shop.example/%C3%A4?a=[1]&b={2}|3"),
    ],
)
def test_a_url_is_sent_in_ascii(url: str, ascii_url: str | None) -> None:
    text, html = parts(rendered(url=url))
    assert [a["href"] for tag, a in Page(html).tags if tag == "a"] == ([ascii_url] if ascii_url else [])
    assert ascii_url is None or f": {ascii_url}\n" in text


@pytest.mark.parametrize("domain", ["x.example", "notifications.department.company.example"])
@pytest.mark.parametrize("notification_id", [NOTIFICATION, "a b", "<x>", "x" * 100])
@pytest.mark.parametrize("delivery_id", [1, 2**63 - 1])
def test_a_message_id_fits_a_line_and_is_the_same_for_every_attempt(
    notification_id: str, delivery_id: int, domain: str
) -> None:
    identity = message_id(notification_id, delivery_id, domain)
    assert re.fullmatch(rf"<[A-Za-z0-9.-]+@{re.escape(domain)}>", identity)
    assert len(identity) <= MAX_MESSAGE_ID
    assert identity == message_id(notification_id, delivery_id, domain)
    assert identity != message_id(notification_id, delivery_id + 1, domain)


def test_mails_of_one_notification_differ_in_recipient_and_message_id_only() -> None:
    builder, about = MailBuilder(SENDER, NOW), content()
    bodies = []
    for address in ("ann@mail.example", "bob@mail.example"):
        built = builder.build(message(address, about=about))
        to, identity, rest = built.content.split(b"\r\n", 2)
        assert to == b"To: " + address.encode()
        assert identity == b"Message-ID: " + built.message_id.encode()
        bodies.append(rest)
    assert bodies[0] == bodies[1]


def test_recipients_of_one_batch_can_have_different_languages() -> None:
    builder, about = MailBuilder(SENDER, NOW), content()
    languages = [
        message_from_bytes(builder.build(message("ann@mail.example", about=about, locale=locale)).content)[
            "Content-Language"
        ]
        for locale in ("de_AT", None, "fr")
    ]
    assert languages == ["de-AT", None, "fr"]
