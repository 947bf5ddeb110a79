"""Builds e-mails from notifications: plain text and HTML, with every value checked or escaped."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from urllib.parse import urlsplit

import idna

from models.deliveries.message import Message
from models.notifications.content import Content

# Control characters, line separators and unpaired surrogates: they could end a header, or cannot be encoded. Python
# rejects most of them too, but CVE-2024-6923 bypassed its check.
_UNSAFE_IN_HEADER = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# The control characters that are not allowed in the text of a mail: all but line ends and tabs.
_UNSAFE_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# A local part that needs no quotes: RFC 5322's dot-atom, with the non-ASCII characters of RFC 6532.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_DOMAIN = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.IGNORECASE)
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_NOTIFICATION_ID = re.compile(r"[A-Za-z0-9_-]+")

# RFC 5321 §4.5.3.1. It limits a path to 256 octets, including two angle brackets.
MAX_LOCAL_PART = 64
MAX_ADDRESS = 254
# A longer id would not fit into a line of 78 characters, and Python has encoded such ids wrongly (bpo-35805).
MAX_MESSAGE_ID = 77

COLOURS = {"info": "#2563eb", "success": "#15803d", "warning": "#b45309", "error": "#b91c1c", "critical": "#7f1d1d"}
# Styles are inline because mail clients drop style sheets. One column needs no layout tables.
_PAGE = """\
<!doctype html>
<html{lang}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
</head>
<body style="margin:0;padding:24px 16px;font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;\
font-size:16px;line-height:1.5">
<div role="article" dir="auto" style="max-width:560px;margin:0 auto;border-top:4px solid {colour};padding-top:20px">
<h1 dir="auto" style="margin:0 0 16px;font-size:20px;line-height:1.3">{title}</h1>
{paragraphs}{link}</div>
</body>
</html>
"""
_PARAGRAPH = '<p dir="auto" style="margin:0 0 16px">{text}</p>\n'
_LINK = """\
<p style="margin:24px 0 0"><a href="{url}" style="display:inline-block;padding:10px 18px;border-radius:6px;\
background:{colour};color:#ffffff;text-decoration:none;overflow-wrap:anywhere">{label}</a></p>
"""


class Unsendable(ValueError):
    """This can never be a mail. The text says why, without quoting the address or the content."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one recipient, ready to send. If `utf8` is set, the server must offer SMTPUTF8."""

    recipient: str
    message_id: str
    content: bytes
    utf8: bool


class MailBuilder:
    """Builds the mails of one batch. The part that recipients share takes milliseconds, so it is built once."""

    def __init__(self, sender: Address, now: datetime) -> None:
        self._sender = sender
        self._now = now
        # Keyed by the content's id(): the messages of a batch share their content objects, which are not hashable.
        self._shared: dict[tuple[int, str | None, bool], bytes | Unsendable] = {}

    def build(self, message: Message) -> Mail:
        """Return the mail for one recipient. Raises Unsendable."""
        recipient = parse_address(message.address).addr_spec
        utf8 = not recipient.isascii()
        language = _language(message.locale)
        identity = message_id(message.content.notification_id, message.delivery_id, self._sender.domain)
        key = (id(message.content), language, utf8)
        if key not in self._shared:
            try:
                self._shared[key] = build_shared(message.content, self._sender, self._now, language, utf8)
            except Unsendable as error:
                self._shared[key] = error
        shared = self._shared[key]
        if isinstance(shared, Unsendable):
            raise Unsendable(*shared.args)
        return Mail(recipient, identity, f"To: {recipient}\r\nMessage-ID: {identity}\r\n".encode() + shared, utf8)


def build_shared(content: Content, sender: Address, now: datetime, language: str | None, utf8: bool) -> bytes:
    """Return a mail without the two headers that differ between recipients. Raises Unsendable."""
    try:
        mail = EmailMessage(policy.SMTPUTF8 if utf8 else policy.SMTP)
        mail["From"] = sender
        mail["Subject"] = _header("the title", content.title)
        mail["Date"] = format_datetime(now)
        mail["X-Carillon-Notification"] = _header("the notification's id", content.notification_id)
        # Suppresses vacation notices (RFC 3834).
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(plain_text(content))
        mail.add_alternative(html(content, language), subtype="html")
        # Set last: add_alternative moves existing Content- headers into the first part.
        if language:
            mail["Content-Language"] = language
        return mail.as_bytes()
    except UnicodeEncodeError:
        raise Unsendable("the text contains an unpaired surrogate") from None


def parse_address(address: str) -> Address:
    """Return a single mailbox, with its domain in ASCII. Raises Unsendable.

    The API has checked recipients with email-validator. This function cannot use it: email-validator rejects intranet
    domains such as `host.local`, changes the spelling of some addresses, and takes 90 µs for each recipient instead
    of 6 µs.
    """
    if _UNSAFE_IN_HEADER.search(address):
        raise Unsendable("the address contains control characters")
    local_part, _, domain = address.rpartition("@")
    try:
        domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
        # The standard library can parse a quoted local part, but only in ASCII.
        unquoted = _LOCAL_PART.fullmatch(local_part) and not any(character.isspace() for character in local_part)
        if unquoted:
            parsed = Address(username=local_part, domain=domain)
        else:
            parsed = Address(addr_spec=f"{local_part}@{domain}")
    # The parser raises each of these for some malformed address.
    except (ValueError, IndexError, AttributeError, TypeError, MessageError):
        raise Unsendable("the address is not a mailbox") from None
    # If the parsed address is spelled differently, the input had comments or was not an address.
    if not _DOMAIN.fullmatch(parsed.domain) or parsed.addr_spec != f"{local_part}@{domain}":
        raise Unsendable("the address is not a mailbox")
    if len(parsed.username.encode()) > MAX_LOCAL_PART or len(parsed.addr_spec.encode()) > MAX_ADDRESS:
        raise Unsendable("the address is too long")
    return parsed


def message_id(notification_id: str, delivery_id: int, domain: str) -> str:
    """Return the Message-ID of a delivery. Every attempt has the same, so that mail servers recognise duplicates."""
    left = f"{notification_id}.{delivery_id}"
    if not _NOTIFICATION_ID.fullmatch(notification_id) or len(left) + len(domain) + len("<@>") > MAX_MESSAGE_ID:
        left = hashlib.sha256(left.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"<{left}@{domain}>"


def plain_text(content: Content) -> str:
    """Return the plain-text part."""
    url = web_url(content)
    parts = [_clean(content.title), _clean(content.message).strip("\n"), url]
    return "\n\n".join(part for part in parts if part) + "\n"


def html(content: Content, language: str | None) -> str:
    """Return the HTML part."""
    colour = COLOURS.get(content.level, COLOURS["info"])
    url = web_url(content)
    blocks = [block.strip("\n") for block in re.split(r"\n{2,}", _clean(content.message))]
    return _PAGE.format(
        lang=f' lang="{language}"' if language else "",
        title=escape(_clean(content.title)),
        colour=colour,
        paragraphs="".join(
            _PARAGRAPH.format(text=escape(block).replace("\n", "<br>\n")) for block in blocks if block.strip()
        ),
        link=_LINK.format(url=escape(url), label=escape(urlsplit(url).netloc), colour=colour) if url else "",
    )


def web_url(content: Content) -> str | None:
    """Return the notification's URL if it is a plain http or https URL, else None."""
    url = content.url
    if not url or _UNSAFE_IN_HEADER.search(url) or any(c.isspace() for c in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname and not parts.username else None


def _header(name: str, value: str) -> str:
    if _UNSAFE_IN_HEADER.search(value):
        raise Unsendable(f"{name} contains control characters")
    # Python decodes encoded words in header values, and CPython 3.11 writes line ends that they contain: the title
    # "=?utf-8?q?=0d=0aBcc:_eve@example.com?=" added a header to the mail. A zero-width space prevents the decoding.
    return value.replace("=?", "=\u200b?")


def _clean(value: str) -> str:
    return _UNSAFE_IN_TEXT.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))


def _language(locale: str | None) -> str | None:
    tag = (locale or "").replace("_", "-")
    return tag if _LANGUAGE_TAG.fullmatch(tag) else None
