"""What a notification looks like as a mail: text and HTML, every value checked or escaped."""

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

# Controls, line separators and half surrogate pairs: what could end a header, or cannot be encoded. Python refuses most
# of them as well, but CVE-2024-6923 was a way around it.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# Line ends and tabs belong into a text; the other controls are not allowed in a mail.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# RFC 5322's dot-atom, with RFC 6532's letters.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_DOMAIN = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_ID = re.compile(r"[A-Za-z0-9_-]+")

# RFC 5321 §4.5.3.1; 254 because a path has two brackets more.
LONGEST_LOCAL_PART = 64
LONGEST_ADDRESS = 254
# A longer one would not fit into a line of 78, and was at times encoded beyond recognition (bpo-35805).
LONGEST_MESSAGE_ID = 77

COLOURS = {"info": "#2563eb", "success": "#15803d", "warning": "#b45309", "error": "#b91c1c", "critical": "#7f1d1d"}
# Tables of pixels are not needed for one column; styles stand inline because mail programs drop style sheets.
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
    """This can never be a mail; the text says why, without quoting the address or the content."""


@dataclass(frozen=True, slots=True)
class Mail:
    """Ready for the server: an envelope for one recipient, and the message. `utf8`: the server must offer SMTPUTF8."""

    recipient: str
    message_id: str
    content: bytes
    utf8: bool


class Writer:
    """Writes the mails of one batch from `sender`: what they have in common once, since it costs milliseconds."""

    def __init__(self, sender: Address, now: datetime) -> None:
        self._sender = sender
        self._now = now
        # Messages of a batch share their content, which cannot be hashed itself.
        self._shared: dict[tuple[int, str | None, bool], bytes | Unsendable] = {}

    def mail(self, message: Message) -> Mail:
        """The mail for one recipient. Raises Unsendable."""
        recipient = mailbox(message.address).addr_spec
        utf8 = not recipient.isascii()
        language = _language(message.locale)
        identity = message_id(message.content.notification_id, message.delivery_id, self._sender.domain)
        key = (id(message.content), language, utf8)
        if key not in self._shared:
            try:
                self._shared[key] = shared(message.content, self._sender, self._now, language, utf8)
            except Unsendable as error:
                self._shared[key] = error
        rest = self._shared[key]
        if isinstance(rest, Unsendable):
            raise Unsendable(*rest.args)
        return Mail(recipient, identity, f"To: {recipient}\r\nMessage-ID: {identity}\r\n".encode() + rest, utf8)


def shared(content: Content, sender: Address, now: datetime, language: str | None, utf8: bool) -> bytes:
    """A mail without the two headers that differ from recipient to recipient. Raises Unsendable."""
    try:
        mail = EmailMessage(policy.SMTPUTF8 if utf8 else policy.SMTP)
        mail["From"] = sender
        mail["Subject"] = _header("the title", content.title)
        mail["Date"] = format_datetime(now)
        mail["X-Carillon-Notification"] = _header("the notification's id", content.notification_id)
        # RFC 3834: no vacation notices in return.
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text(content))
        mail.add_alternative(html(content, language), subtype="html")
        # Last, because an alternative takes the Content- headers that it finds along into the first part.
        if language:
            mail["Content-Language"] = language
        return mail.as_bytes()
    except UnicodeEncodeError:
        raise Unsendable("the text contains half a surrogate pair") from None


def mailbox(address: str) -> Address:
    """One mailbox, its domain in ASCII. Raises Unsendable."""
    if _UNFIT.search(address):
        raise Unsendable("the address contains control characters")
    local, _, domain = address.rpartition("@")
    try:
        domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
        # The standard library knows what may stand between quotes, but no letters beyond ASCII.
        plain = _LOCAL.fullmatch(local) and not any(character.isspace() for character in local)
        found = Address(username=local, domain=domain) if plain else Address(addr_spec=f"{local}@{domain}")
    # A malformed address makes the parser fail in all these ways.
    except (ValueError, IndexError, AttributeError, TypeError, MessageError):
        raise Unsendable("the address is no mailbox") from None
    # What is read otherwise than written has comments, or is no address.
    if not _DOMAIN.fullmatch(found.domain) or found.addr_spec != f"{local}@{domain}":
        raise Unsendable("the address is no mailbox")
    if len(found.username.encode()) > LONGEST_LOCAL_PART or len(found.addr_spec.encode()) > LONGEST_ADDRESS:
        raise Unsendable("the address is too long")
    return found


def message_id(notification_id: str, delivery_id: int, domain: str) -> str:
    """The same for every attempt of a delivery, so that servers recognise a copy."""
    left = f"{notification_id}.{delivery_id}"
    if not _ID.fullmatch(notification_id) or len(left) + len(domain) + len("<@>") > LONGEST_MESSAGE_ID:
        left = hashlib.sha256(left.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"<{left}@{domain}>"


def text(content: Content) -> str:
    """The mail for those who read no HTML."""
    url = link(content)
    parts = [_plain(content.title), _plain(content.message).strip("\n"), url]
    return "\n\n".join(part for part in parts if part) + "\n"


def html(content: Content, language: str | None) -> str:
    """The mail for all others."""
    colour = COLOURS.get(content.level, COLOURS["info"])
    url = link(content)
    blocks = [block.strip("\n") for block in re.split(r"\n{2,}", _plain(content.message))]
    return _PAGE.format(
        lang=f' lang="{language}"' if language else "",
        title=escape(_plain(content.title)),
        colour=colour,
        paragraphs="".join(
            _PARAGRAPH.format(text=escape(block).replace("\n", "<br>\n")) for block in blocks if block.strip()
        ),
        link=_LINK.format(url=escape(url), label=escape(urlsplit(url).netloc), colour=colour) if url else "",
    )


def link(content: Content) -> str | None:
    """The notification's url, if it leads to a web page and nowhere else."""
    url = content.url
    if not url or _UNFIT.search(url) or any(c.isspace() for c in url):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname and not parts.username else None


def _header(what: str, value: str) -> str:
    if _UNFIT.search(value):
        raise Unsendable(f"{what} contains control characters")
    # Python decodes an encoded word that it is given, and CPython 3.11 writes out the line end hidden in one: with the
    # title "=?utf-8?q?=0d=0aBcc:_eve@example.com?=" the mail had another header. A zero-width space makes it a text.
    return value.replace("=?", "=\u200b?")


def _plain(value: str) -> str:
    return _CONTROLS.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))


def _language(locale: str | None) -> str | None:
    tag = (locale or "").replace("_", "-")
    return tag if _LANGUAGE.fullmatch(tag) else None
