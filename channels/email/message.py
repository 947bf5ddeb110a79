"""Builds e-mails from notifications: plain text and HTML, with every value checked or escaped."""

from __future__ import annotations

import hashlib
import re
import string
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from unicodedata import bidirectional
from urllib.parse import quote, urlsplit, urlunsplit

import idna

from carillon.fields import MAX_ADDRESS, MAX_LABEL, MAX_LOCAL_PART
from carillon.text import cut
from channels.email.headers import mailbox_field, text_field
from models.deliveries.message import Message
from models.notifications.content import Content

# The API refuses what these match. Older versions accepted some of it: control characters and line separators, which
# could end a header, and unpaired surrogates, which cannot be encoded.
_UNSAFE_IN_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSAFE_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# A local part that needs no quotes: RFC 5322's dot-atom, with the non-ASCII characters of RFC 6532.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_DOMAIN = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.IGNORECASE)
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_NOTIFICATION_ID = re.compile(r"[A-Za-z0-9_-]+")

# ASCII only: whether a server takes more depends on the extensions that it offers.
_POLICY = policy.SMTP.clone(cte_type="7bit")

# A longer id would not fit into a line of 78 characters, and Python has encoded such ids wrongly (bpo-35805).
MAX_MESSAGE_ID = 77

FOOTER = "You receive this e-mail because {brand} sends notifications to this address."

COLOURS = {"info": "#2563eb", "success": "#15803d", "warning": "#b45309", "error": "#b91c1c", "critical": "#7f1d1d"}
# Styles are inline because mail clients drop style sheets. One column needs no layout tables.
# There is no title element: the subject is the title (HTML §4.2.2), and to SpamAssassin a text that is only in the HTML
# makes the two parts differ. The main direction is that of the content; names and texts of others have their own.
_PAGE = """\
<!doctype html>
<html{lang}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
</head>
<body style="margin:0;padding:24px 16px;font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;\
font-size:16px;line-height:1.5">
<div role="article" dir="{direction}" style="max-width:560px;margin:0 auto;border-top:4px solid {colour};\
padding-top:16px;overflow-wrap:anywhere;word-break:break-word">
<p style="margin:0 0 20px;font-size:14px;font-weight:600"><span dir="auto">{brand}</span></p>
<h1 dir="auto" style="margin:0 0 16px;font-size:20px;line-height:1.3">{title}</h1>
{paragraphs}{button}<p style="margin:32px 0 0;border-top:1px solid #9ca3af;padding-top:12px;\
font-size:13px"><span dir="auto">{footer}</span></p>
</div>
</body>
</html>
"""
_PARAGRAPH = '<p dir="auto" style="margin:0 0 16px">{text}</p>\n'
_BUTTON = """\
<p style="margin:24px 0 0"><a href="{url}" dir="auto" style="display:inline-block;padding:10px 18px;border-radius:6px;\
background:{colour};color:#ffffff;text-decoration:none">{label}</a></p>
"""
# A URL in a text, without the punctuation of the sentence that it ends.
_LINK = re.compile(r"https?://[^\s<>\"']*[^\s<>\"'.,;:!?()\[\]{}…]", re.IGNORECASE)


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

    def __init__(self, sender: Address, now: datetime, footer: str | None = None) -> None:
        self._sender = sender
        self._now = now
        self._footer = _clean(footer or FOOTER.format(brand=brand_of(sender)))
        # Keyed by the content's id(): the messages of a batch share their content objects, which are not hashable.
        self._shared: dict[tuple[int, str | None], bytes] = {}

    def build(self, message: Message) -> Mail:
        """Return the mail for one recipient. Raises Unsendable."""
        recipient = parse_address(message.address).addr_spec
        language = _language(message.locale)
        identity = message_id(message.content.notification_id, message.delivery_id, self._sender.domain)
        key = (id(message.content), language)
        if key not in self._shared:
            self._shared[key] = self._build_shared(message.content, language)
        own = f"To: {recipient}\r\nMessage-ID: {identity}\r\n".encode()
        return Mail(recipient, identity, own + self._shared[key], utf8=not recipient.isascii())

    def _build_shared(self, content: Content, language: str | None) -> bytes:
        """Return a mail without the two headers that differ between recipients."""
        mail = EmailMessage(_POLICY)
        mail["Date"] = format_datetime(self._now)
        # Suppresses vacation notices (RFC 3834).
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(plain_text(content, self._footer))
        mail.add_alternative(html(content, language, brand_of(self._sender), self._footer), subtype="html")
        # Set last: add_alternative moves existing Content- headers into the first part.
        if language:
            mail["Content-Language"] = language
        head = (
            mailbox_field("From", self._sender)
            + text_field("Subject", one_line(content.title))
            + text_field("X-Carillon-Notification", one_line(content.notification_id))
        )
        return head.encode() + mail.as_bytes()


def brand_of(sender: Address) -> str:
    """Return the name under which mails are sent: the sender's display name, or else its domain."""
    return sender.display_name or sender.domain


def parse_address(address: str) -> Address:
    """Return a single mailbox, with its domain in ASCII. Raises Unsendable.

    The API has checked recipients with email-validator. This function cannot use it: email-validator rejects intranet
    domains such as `host.local`, changes the spelling of some addresses, and takes 90 µs for each recipient instead
    of 6 µs.
    """
    if _UNSAFE_IN_LINE.search(address):
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


def plain_text(content: Content, footer: str) -> str:
    """Return the plain-text part."""
    url = web_url(content)
    link = f"{action_label(content, url)}: {url}" if url else None
    # Two hyphens and a blank are the usual mark between a text and its footer (RFC 3676 §4.3).
    parts = [one_line(content.title), _clean(content.message).strip("\n"), link, f"-- \n{footer}"]
    return "\n\n".join(part for part in parts if part) + "\n"


def html(content: Content, language: str | None, brand: str, footer: str) -> str:
    """Return the HTML part."""
    colour = COLOURS.get(content.level, COLOURS["info"])
    url = web_url(content)
    blocks = [block.strip("\n") for block in re.split(r"\n{2,}", _clean(content.message))]
    return _PAGE.format(
        lang=f' lang="{language}"' if language else "",
        direction=_direction(f"{content.title} {content.message}"),
        brand=escape(brand),
        title=escape(one_line(content.title)),
        colour=colour,
        paragraphs="".join(
            _PARAGRAPH.format(text=_with_links(block).replace("\n", "<br>\n")) for block in blocks if block.strip()
        ),
        button=_BUTTON.format(url=escape(url), label=escape(action_label(content, url)), colour=colour) if url else "",
        footer=escape(footer).replace("\n", "<br>\n"),
    )


def action_label(content: Content, url: str) -> str:
    """Return what the button says: the label that was given, or else where it leads."""
    given = content.data.get("action_label")
    label = one_line(given).strip() if isinstance(given, str) else ""
    return cut(label, MAX_LABEL, end="…") or f"Open {urlsplit(url).hostname}"


def web_url(content: Content) -> str | None:
    """Return the notification's URL, in ASCII, if it is a plain http or https URL, else None.

    Mail clients make a link of a URL in a plain text only up to the first character beyond ASCII.
    """
    url = content.url
    if not url or _UNSAFE_IN_LINE.search(url) or any(c.isspace() for c in url):
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
        if parts.scheme not in ("http", "https") or not host or parts.username:
            return None
        if not host.isascii():
            port = f":{parts.port}" if parts.port else ""
            url = urlunsplit(parts._replace(netloc=idna.encode(host, uts46=True).decode() + port))
    except ValueError:
        return None
    return quote(url, safe=string.punctuation)


def _with_links(text: str) -> str:
    """Return HTML for the text, with its URLs as links: some mail clients make none in HTML."""
    html, end = "", 0
    for match in _LINK.finditer(text):
        url = escape(match[0])
        html += f'{escape(text[end : match.start()])}<a href="{url}">{url}</a>'
        end = match.end()
    return html + escape(text[end:])


def _direction(text: str) -> str:
    """Return the direction of the text's first letter that has one: ltr or rtl (Unicode's rule P2)."""
    strong = (bidirectional(character) for character in text)
    return "rtl" if next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L" else "ltr"


def one_line(value: str) -> str:
    """Return `value` with a blank in place of everything that could end a line or cannot be encoded."""
    return _UNSAFE_IN_LINE.sub(" ", value)


def _clean(value: str) -> str:
    return _UNSAFE_IN_TEXT.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))


def _language(locale: str | None) -> str | None:
    tag = (locale or "").replace("_", "-")
    return tag if _LANGUAGE_TAG.fullmatch(tag) else None
