"""The stand-in for a mail server: it accepts mail for every address and forwards none."""

from __future__ import annotations

import asyncio
import ssl
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser, HeaderParser
from typing import Any
from weakref import WeakKeyDictionary

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from lab.faults import Cut, Slow, SmtpError
from lab.journal import Arrival, Journal
from lab.script import Script

MAX_MAIL = 5 * 1024 * 1024
WRONG_PASSWORD = b"wrong"


def server(journal: Journal, script: Script, tls: ssl.SSLContext, loop: asyncio.AbstractEventLoop) -> Any:
    """Return the protocol of one connection. It offers STARTTLS, and after that login, but requires neither."""
    return SMTP(
        _Handler(journal, script),
        data_size_limit=MAX_MAIL,
        enable_SMTPUTF8=True,
        hostname="localhost",  # otherwise aiosmtpd looks it up in the DNS for every connection
        ident="Carillon lab",
        tls_context=tls,
        authenticator=_authenticate,
        loop=loop,
    )


def _authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, login: LoginPassword) -> AuthResult:
    return AuthResult(success=login.password != WRONG_PASSWORD, handled=False)


class _Handler:
    """aiosmtpd's hooks. They return replies as text, and raise _HangUp to close the connection."""

    def __init__(self, journal: Journal, script: Script) -> None:
        self._journal = journal
        self._script = script
        self._cuts: WeakKeyDictionary[Envelope, Cut] = WeakKeyDictionary()

    async def handle_EHLO(  # noqa: N802 - aiosmtpd finds its hooks by these names
        self, _server: Any, session: Session, _envelope: Envelope, hostname: str, replies: list[str]
    ) -> list[str]:
        session.host_name = hostname
        # aiosmtpd supports pipelining (RFC 2920), because it reads commands one by one from a buffer, but does not
        # announce it.
        return [replies[0], "250-PIPELINING", *replies[1:]]

    async def handle_RCPT(  # noqa: N802
        self, server: Any, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        effect = self._script.smtp(address.rpartition("@")[0])
        if isinstance(effect, SmtpError):
            self._journal.record(Arrival("email", address, "refused", effect.code))
            if effect.hang_up:
                await server.push(f"{effect.code} {effect.text}")
                raise _HangUp
            return f"{effect.code} {effect.text}"
        if isinstance(effect, Slow):
            await asyncio.sleep(effect.seconds)
        if isinstance(effect, Cut):
            self._cuts[envelope] = effect
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: Any, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        cut = self._cuts.get(envelope)
        content = envelope.original_content or b""
        for address in envelope.rcpt_tos:
            self._journal.record(_arrival(content, address, accepted=cut is not Cut.REFUSED))
        if cut is not None:
            raise _HangUp
        return "250 2.0.0 OK: accepted"


class _HangUp(asyncio.CancelledError):
    """Ends the session without a reply: aiosmtpd closes the connection when its task is cancelled."""


def _arrival(content: bytes, address: str, *, accepted: bool) -> Arrival:
    text = content.decode(errors="replace")
    headers = _headers(text)
    named = {name.lower(): value for name, value in headers.items()}
    return Arrival(
        "email",
        address,
        "accepted" if accepted else "refused",
        250 if accepted else 0,
        notification_id=named.get("x-carillon-notification"),
        title=named.get("subject"),
        body=_body(content),
        message_id=named.get("message-id"),
        headers=headers,
        raw=text,
        size=len(content),
    )


def _headers(text: str) -> dict[str, str]:
    """Return the headers, decoded and unfolded. If a header occurs several times, the first counts."""
    headers: dict[str, str] = {}
    # Parsed from text instead of bytes, because headers are plain UTF-8 with SMTPUTF8.
    for name, value in HeaderParser().parsestr(text).items():
        headers.setdefault(name, _decoded_header("".join(value.splitlines())))
    return headers


def _decoded_header(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (LookupError, ValueError, HeaderParseError):
        return value


def _body(content: bytes) -> str | None:
    """Return the first text/plain part, or else the first text part."""
    parts = [part for part in BytesParser().parsebytes(content).walk() if part.get_content_maintype() == "text"]
    parts.sort(key=lambda part: part.get_content_subtype() != "plain")
    return _decoded_text(parts[0]) if parts else None


def _decoded_text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    try:
        return content.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return content.decode(errors="replace")
