"""E-mail by SMTP: what the server answers, and what we make of it."""

from __future__ import annotations

import logging
import re
import smtplib
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from channels.email.message import Mail, Unsendable, Writer, mailbox
from channels.email.smtp import Connection, Pool, Server
from channels.failures import CREDENTIALS_RETRY_AFTER, FailureLog, log_level, redact
from channels.registry import Mode
from config.settings import Settings, SettingsError
from models.channels import EMAIL
from models.deliveries.lifecycle import AddressGone, Deferred, Failure, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Action, Message


def build(settings: Settings, mode: Mode) -> EmailChannel | None:
    """The mail server for live keys where one is named, else the lab where there is one, else None.

    Raises SettingsError where the settings cannot work together.
    """
    sender = _sender(settings.smtp_from)
    if mode == "live" and settings.smtp_host is not None:
        username, password = settings.smtp_username, settings.smtp_password
        secret = password.get_secret_value() if password else ""
        if username is not None and settings.smtp_security == "none":
            raise SettingsError("SMTP_USERNAME: a password is not sent in the clear; SMTP_SECURITY must not be none")
        if not (username or "").isascii() or not secret.isascii():
            raise SettingsError("SMTP_USERNAME, SMTP_PASSWORD: only ASCII is possible")
        server = Server(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            name=sender.domain,
            timeout=settings.provider_timeout,
            username=username,
            password=secret,
        )
    elif settings.lab_url is not None:
        host = urlsplit(settings.lab_url).hostname
        if host is None:
            raise SettingsError("CARILLON_LAB_URL: no host in it")
        server = Server(host, settings.lab_smtp_port, "none", sender.domain, settings.provider_timeout)
    else:
        return None
    # The last mail may begin at the end of this time: it takes the time-out, and a new session for it as long again.
    return EmailChannel(server, sender, settings.lease - 2 * settings.provider_timeout)


class EmailChannel:
    """Sends a batch over one session, mail by mail; what has not begun after `seconds` is left for later."""

    name = EMAIL

    def __init__(
        self,
        server: Server,
        sender: Address,
        seconds: float,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._server = server
        self._pool = Pool(server)
        self._sender = sender
        self._seconds = seconds
        self._clock = clock

    def send(self, batch: Sequence[Message]) -> list[Outcome]:
        """See Channel."""
        faults = FailureLog(self.name)
        session = _Session(self._pool, self._sender, time.monotonic() + self._seconds, faults)
        writer = Writer(self._sender, self._clock())
        try:
            return [self._send(message, writer, session, faults) for message in batch]
        finally:
            session.end()
            faults.log()

    def check(self) -> str | None:
        """See Channel. Connects and logs in, and hands in no mail."""
        try:
            self._pool.give(self._pool.take())
        except (smtplib.SMTPException, OSError) as error:
            outcome = redact(classify(error), self._server.username or "")
            return None if isinstance(outcome, Sent | Deferred) else outcome.reason
        return None

    def close(self) -> None:
        """See Channel."""
        self._pool.close()

    def _send(self, message: Message, writer: Writer, session: _Session, faults: FailureLog) -> Outcome:
        if message.action is Action.WITHDRAW:
            # What was posted cannot be taken back.
            return Sent()
        try:
            return session.send(message, writer.mail(message))
        except Unsendable as error:
            faults.add(message, "Unsendable", logging.WARNING)
            return Rejected(str(error))


class _Session:
    """The sending of one batch: a connection, a second one should the first break, and no third."""

    def __init__(self, pool: Pool, sender: Address, deadline: float, faults: FailureLog) -> None:
        self._pool = pool
        self._sender = sender.addr_spec
        self._deadline = deadline
        self._faults = faults
        self._connection: Connection | None = None
        self._broken = 0
        self._over: RetryLater | None = None

    def send(self, message: Message, mail: Mail) -> Outcome:
        """Hand in one mail, or answer for it that the batch is over."""
        if self._over is None and time.monotonic() > self._deadline:
            self._over = RetryLater("the mail server is too slow for the whole batch")
            self._faults.add(message, "Slow", logging.WARNING)
        if self._over is not None:
            return self._over
        try:
            connection = self._connect()
        except (smtplib.SMTPException, OSError) as error:
            # No mail is at fault, so that even a refusal is for all of them, and for later.
            outcome = redact(classify(error), message.address)
            self._over = outcome if isinstance(outcome, RetryLater) else RetryLater(f"cannot connect: {outcome}")
            self._over = replace(self._over, for_all=self._over.failure is Failure.CREDENTIALS)
            self._report(message, error, self._over)
            return self._over
        if mail.utf8 and not connection.offers_utf8:
            raise Unsendable("the mail server takes no address beyond ASCII")
        try:
            connection.deliver(self._sender, mail)
        except (smtplib.SMTPException, OSError) as error:
            outcome = redact(classify(error), message.address, mail.recipient)
            self._report(message, error, outcome)
            if isinstance(outcome, RetryLater) and outcome.failure is Failure.CREDENTIALS:
                # The next mail has the same sender.
                self._over = outcome = replace(outcome, for_all=True)
            elif not connection.alive:
                self._broke(error)
            return outcome
        return Sent(mail.message_id)

    def end(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._pool.give(self._connection)

    def _connect(self) -> Connection:
        if self._connection is not None and (self._connection.worn or not self._connection.alive):
            self._pool.give(self._connection)
            self._connection = None
        if self._connection is None:
            self._connection = self._pool.take()
        return self._connection

    def _broke(self, error: Exception) -> None:
        self._broken += 1
        if reply_in(error).code == 421 or self._broken > 1:
            self._over = RetryLater("the mail server ended the session")

    def _report(self, message: Message, error: Exception, outcome: Outcome) -> None:
        code = reply_in(error).code
        self._faults.add(message, f"{type(error).__name__} {code or ''}".rstrip(), log_level(outcome))


class Reply(NamedTuple):
    """A refusal: RFC 5321's code, RFC 3463's status where the text begins with one, and the text."""

    code: int
    status: str
    text: str


def reply_in(error: Exception) -> Reply:
    """The server's reply that `error` carries; code 0 where there was none."""
    raw: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        # One envelope has one recipient.
        code, raw = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, raw = error.smtp_code, error.smtp_error
    else:
        return Reply(0, "", str(error))
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    status = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", text)
    return Reply(code, status[0] if status else "", text)


def _gone(reason: str) -> Outcome:
    return AddressGone(reason)


def _rejected(reason: str) -> Outcome:
    return Rejected(reason)


def _later(reason: str) -> Outcome:
    return RetryLater(reason)


def _credentials(reason: str) -> Outcome:
    return RetryLater(reason, Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER)


# The first line that fits, by stage, code and status; an empty stage or status fits any.
REPLIES: tuple[tuple[str, str, str, Callable[[str], Outcome]], ...] = (
    ("", r"4..", "", _later),
    # Log in first, or differently: 530, 534, 535 and 538 of RFC 4954.
    ("", r"53[0458]", "", _credentials),
    # No mail is at fault where the server does not let us in, or not as this sender (5.1.7 and 5.1.8, which Postfix
    # says at RCPT). 552 at MAIL is about the size.
    ("open", r"5..", "", _credentials),
    ("", r"5..", r"5\.1\.[78]", _credentials),
    ("mail", r"5(?!52)..", "", _credentials),
    # No such mailbox, no such host, no valid address, moved, no mail there. Not 5.1.0, by which Exchange turns away
    # senders, and not a bare 550, which is said for any reason.
    ("rcpt", r"550", r"5\.1\.([1236]|10)", _gone),
    ("", r"5..", "", _rejected),
    # No refusal at all: the conversation is out of step.
    ("", r".*", "", _later),
)


def by_reply(stage: str, error: Exception) -> Outcome:
    """The outcome for the reply in `error`, given to the command of that stage: open, mail, rcpt or data."""
    reply = reply_in(error)
    for where, code, status, verdict in REPLIES:
        if where in ("", stage) and re.fullmatch(code, str(reply.code)) and re.fullmatch(status or ".*", reply.status):
            return verdict(f"{reply.code} {reply.text}")
    raise AssertionError("the last line fits everything")


def _by_text(verdict: Callable[[str], Outcome], error: Exception) -> Outcome:
    return verdict(f"{type(error).__name__}: {error}")


CLASSIFY: dict[type[Exception], Callable[[Exception], Outcome]] = {
    smtplib.SMTPRecipientsRefused: partial(by_reply, "rcpt"),
    smtplib.SMTPSenderRefused: partial(by_reply, "mail"),
    smtplib.SMTPDataError: partial(by_reply, "data"),
    smtplib.SMTPConnectError: partial(by_reply, "open"),
    smtplib.SMTPHeloError: partial(by_reply, "open"),
    smtplib.SMTPAuthenticationError: partial(by_reply, "open"),
    # STARTTLS refused.
    smtplib.SMTPResponseException: partial(by_reply, "open"),
    # STARTTLS or AUTH not offered; with the base class, no way to log in that both sides know.
    smtplib.SMTPNotSupportedError: partial(_by_text, _credentials),
    smtplib.SMTPException: partial(_by_text, _credentials),
    # If that was after the last dot, the server may have the mail: a copy carries the same Message-ID.
    smtplib.SMTPServerDisconnected: partial(_by_text, _later),
    # The certificate, or no TLS behind that port; but a connection may also end in the handshake.
    ssl.SSLError: partial(_by_text, _credentials),
    ssl.SSLEOFError: partial(_by_text, _later),
    ssl.SSLZeroReturnError: partial(_by_text, _later),
    ssl.SSLSyscallError: partial(_by_text, _later),
    OSError: partial(_by_text, _later),
}


def classify(error: Exception) -> Outcome:
    """What an exception of smtplib, or one that it lets through, means for the delivery."""
    row = next(CLASSIFY[kind] for kind in type(error).__mro__ if kind in CLASSIFY)
    return row(error)


def _sender(text: str) -> Address:
    try:
        addresses = policy.SMTP.header_factory("From", text).addresses
        if len(addresses) != 1:
            raise SettingsError("SMTP_FROM: must be one address")
        found = mailbox(addresses[0].addr_spec)
        if not found.username.isascii():
            raise SettingsError("SMTP_FROM: the part before the @ must be ASCII")
        return Address(addresses[0].display_name, found.username, found.domain)
    except (Unsendable, MessageError, ValueError, IndexError) as error:
        raise SettingsError(f"SMTP_FROM: must be one address, as in Name <name@example.com> ({error})") from None
