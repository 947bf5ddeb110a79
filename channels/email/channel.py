"""The e-mail channel: sends batches by SMTP and classifies the server's replies."""

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

from channels.email.message import Mail, MailBuilder, Unsendable, one_line, parse_address
from channels.email.smtp import Connection, Pool, Server
from channels.failures import CREDENTIALS_RETRY_AFTER, FailureLog, log_level, redact
from channels.registry import Mode
from config.settings import Settings, SettingsError
from models.channels import EMAIL
from models.deliveries.lifecycle import AddressGone, Deferred, Failure, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Action, Message


def build(settings: Settings, mode: Mode) -> EmailChannel | None:
    """Return a channel to the mail server for live keys if one is set, else one to the lab if it is set, else None.

    Raises SettingsError if the settings contradict each other.
    """
    sender = parse_sender(settings.smtp_from)
    if mode == "live" and settings.smtp_host is not None:
        username, password = settings.smtp_username, settings.smtp_password
        secret = password.get_secret_value() if password else ""
        if username is not None and settings.smtp_security == "none":
            raise SettingsError("SMTP_USERNAME: needs an encrypted connection; SMTP_SECURITY must not be none")
        if not (username or "").isascii() or not secret.isascii():
            raise SettingsError("SMTP_USERNAME, SMTP_PASSWORD: must be ASCII")
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
            raise SettingsError("CARILLON_LAB_URL: has no host")
        server = Server(host, settings.lab_smtp_port, "none", sender.domain, settings.provider_timeout)
    else:
        return None
    # A mail may start at the very end of `max_duration`. It takes up to one timeout, and opening a session for it
    # another.
    return EmailChannel(
        server,
        sender,
        settings.lease - 2 * settings.provider_timeout,
        footer=settings.email_footer,
        utf8=settings.smtp_utf8,
    )


class EmailChannel:
    """Sends a batch over one session, one mail after another.

    A mail that has not started after `max_duration` seconds is retried later.
    """

    name = EMAIL

    def __init__(
        self,
        server: Server,
        sender: Address,
        max_duration: float,
        *,
        footer: str | None = None,
        utf8: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._server = server
        self._pool = Pool(server)
        self._sender = sender
        self._max_duration = max_duration
        self._footer = footer
        self._utf8 = utf8
        self._clock = clock

    def send(self, batch: Sequence[Message]) -> list[Outcome]:
        """See Channel."""
        failures = FailureLog(self.name)
        sending = _BatchSending(self._pool, self._sender, time.monotonic() + self._max_duration, failures)
        builder = MailBuilder(self._sender, self._clock(), self._footer)
        try:
            return [self._send(message, builder, sending, failures) for message in batch]
        finally:
            sending.end()
            failures.log()

    def check(self) -> str | None:
        """See Channel. Connects and logs in, and sends no mail."""
        try:
            connection = self._pool.acquire()
            self._pool.release(connection)
        except (smtplib.SMTPException, OSError) as error:
            outcome = redact(classify(error), self._server.username or "")
            return None if isinstance(outcome, Sent | Deferred) else outcome.reason
        if self._utf8 and not connection.offers_utf8:
            return "SMTP_UTF8 is set, but the mail server does not offer SMTPUTF8"
        return None

    def close(self) -> None:
        """See Channel."""
        self._pool.close()

    def _send(self, message: Message, builder: MailBuilder, sending: _BatchSending, failures: FailureLog) -> Outcome:
        if message.action is Action.WITHDRAW:
            # A mail cannot be taken back.
            return Sent()
        try:
            return sending.send(message, builder.build(message))
        except Unsendable as error:
            failures.add(message, "Unsendable", logging.WARNING)
            return Rejected(str(error))


class _BatchSending:
    """Sends the mails of one batch. Replaces a broken connection once; then the remaining mails are retried later.

    `_ended` is the outcome of the remaining mails once the batch cannot continue.
    """

    def __init__(self, pool: Pool, sender: Address, deadline: float, failures: FailureLog) -> None:
        self._pool = pool
        self._sender = sender.addr_spec
        self._deadline = deadline
        self._failures = failures
        self._connection: Connection | None = None
        self._broken_connections = 0
        self._ended: RetryLater | None = None

    def send(self, message: Message, mail: Mail) -> Outcome:
        """Send one mail. If the batch has ended, return the outcome that all remaining mails have."""
        if self._ended is None and time.monotonic() > self._deadline:
            self._ended = RetryLater("the mail server is too slow for the whole batch")
            self._failures.add(message, "Slow", logging.WARNING)
        if self._ended is not None:
            return self._ended
        try:
            connection = self._connect()
        except (smtplib.SMTPException, OSError) as error:
            # This is not about one mail, so even a permanent error becomes a retry for all of them.
            outcome = redact(classify(error), message.address)
            self._ended = outcome if isinstance(outcome, RetryLater) else RetryLater(f"cannot connect: {outcome}")
            self._ended = replace(self._ended, for_all=self._ended.failure is Failure.CREDENTIALS)
            self._log_failure(message, error, self._ended)
            return self._ended
        if mail.utf8 and not connection.offers_utf8:
            raise Unsendable("the mail server accepts only ASCII addresses")
        try:
            connection.deliver(self._sender, mail)
        except (smtplib.SMTPException, OSError) as error:
            outcome = redact(classify(error), message.address, mail.recipient)
            self._log_failure(message, error, outcome)
            if isinstance(outcome, RetryLater) and outcome.failure is Failure.CREDENTIALS:
                # All mails have the same sender, so the next one would fail too.
                self._ended = outcome = replace(outcome, for_all=True)
            elif not connection.alive:
                self._connection_broke(error)
            return outcome
        return Sent(mail.message_id)

    def end(self) -> None:
        """Release the connection."""
        if self._connection is not None:
            self._pool.release(self._connection)

    def _connect(self) -> Connection:
        if self._connection is not None and (self._connection.exhausted or not self._connection.alive):
            self._pool.release(self._connection)
            self._connection = None
        if self._connection is None:
            self._connection = self._pool.acquire()
        return self._connection

    def _connection_broke(self, error: Exception) -> None:
        self._broken_connections += 1
        if parse_reply(error).code == 421 or self._broken_connections > 1:
            self._ended = RetryLater("the mail server ended the session")

    def _log_failure(self, message: Message, error: Exception, outcome: Outcome) -> None:
        code = parse_reply(error).code
        self._failures.add(message, f"{type(error).__name__} {code or ''}".rstrip(), log_level(outcome))


class Reply(NamedTuple):
    """An SMTP reply: its code (RFC 5321), the enhanced status that its text may begin with (RFC 3463), and its text."""

    code: int
    status: str
    text: str


def parse_reply(error: Exception) -> Reply:
    """Return the server's reply that `error` carries. Its code is 0 if there was none."""
    raw: bytes | str
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        # Every mail has exactly one recipient.
        code, raw = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, raw = error.smtp_code, error.smtp_error
    else:
        return Reply(0, "", str(error))
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    status = re.match(r"[245]\.\d{1,3}\.\d{1,3}\b", text)
    return Reply(code, status[0] if status else "", text)


def _address_gone(reason: str) -> Outcome:
    return AddressGone(reason)


def _rejected(reason: str) -> Outcome:
    return Rejected(reason)


def _retry_later(reason: str) -> Outcome:
    return RetryLater(reason)


def _credentials(reason: str) -> Outcome:
    return RetryLater(reason, Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER)


# The outcome of a reply, by stage, code and enhanced status. The first matching row applies; an empty stage or status
# matches any.
REPLIES: tuple[tuple[str, str, str, Callable[[str], Outcome]], ...] = (
    ("", r"4..", "", _retry_later),
    # Authentication is missing or failed: 530, 534, 535 and 538 of RFC 4954.
    ("", r"53[0458]", "", _credentials),
    # The server does not accept us, or not this sender. Postfix sends the statuses for the sender, 5.1.7 and 5.1.8, in
    # reply to RCPT. 552 in reply to MAIL is about the size of the mail.
    ("open", r"5..", "", _credentials),
    ("", r"5..", r"5\.1\.[78]", _credentials),
    ("mail", r"5(?!52)..", "", _credentials),
    # The mailbox or host does not exist, the address is invalid, the mailbox has moved, or the host accepts no mail.
    # Excludes 5.1.0, with which Exchange refuses senders, and a 550 without a status, which can mean anything.
    ("rcpt", r"550", r"5\.1\.([1236]|10)", _address_gone),
    ("", r"5..", "", _rejected),
    # Not an error code: replies and commands are out of step.
    ("", r".*", "", _retry_later),
)


def classify_reply(stage: str, error: Exception) -> Outcome:
    """Map the reply in `error` to an outcome. `stage` is the command it answers: open, mail, rcpt or data."""
    reply = parse_reply(error)
    for where, code, status, outcome in REPLIES:
        if where in ("", stage) and re.fullmatch(code, str(reply.code)) and re.fullmatch(status or ".*", reply.status):
            return outcome(f"{reply.code} {reply.text}")
    raise AssertionError("the last row matches everything")


def _without_reply(outcome: Callable[[str], Outcome], error: Exception) -> Outcome:
    return outcome(f"{type(error).__name__}: {error}")


CLASSIFY: dict[type[Exception], Callable[[Exception], Outcome]] = {
    smtplib.SMTPRecipientsRefused: partial(classify_reply, "rcpt"),
    smtplib.SMTPSenderRefused: partial(classify_reply, "mail"),
    smtplib.SMTPDataError: partial(classify_reply, "data"),
    smtplib.SMTPConnectError: partial(classify_reply, "open"),
    smtplib.SMTPHeloError: partial(classify_reply, "open"),
    smtplib.SMTPAuthenticationError: partial(classify_reply, "open"),
    # STARTTLS was refused.
    smtplib.SMTPResponseException: partial(classify_reply, "open"),
    # STARTTLS or AUTH is not offered. The base class: there is no login method that both sides support.
    smtplib.SMTPNotSupportedError: partial(_without_reply, _credentials),
    smtplib.SMTPException: partial(_without_reply, _credentials),
    # The server may have accepted the mail if the whole content was sent. The retry has the same Message-ID.
    smtplib.SMTPServerDisconnected: partial(_without_reply, _retry_later),
    # An untrusted certificate, or no TLS on that port. The subclasses are connections lost during the handshake.
    ssl.SSLError: partial(_without_reply, _credentials),
    ssl.SSLEOFError: partial(_without_reply, _retry_later),
    ssl.SSLZeroReturnError: partial(_without_reply, _retry_later),
    ssl.SSLSyscallError: partial(_without_reply, _retry_later),
    OSError: partial(_without_reply, _retry_later),
}


def classify(error: Exception) -> Outcome:
    """Map an exception raised by smtplib, or passed through by it, to the delivery's outcome."""
    classifier = next(CLASSIFY[kind] for kind in type(error).__mro__ if kind in CLASSIFY)
    return classifier(error)


def parse_sender(text: str) -> Address:
    try:
        addresses = policy.SMTP.header_factory("From", text).addresses
        if len(addresses) != 1:
            raise SettingsError("SMTP_FROM: must be one address")
        parsed = parse_address(addresses[0].addr_spec)
        if not parsed.username.isascii():
            raise SettingsError("SMTP_FROM: the part before the @ must be ASCII")
        if addresses[0].display_name != one_line(addresses[0].display_name):
            raise SettingsError("SMTP_FROM: the name must be one line without control characters")
        return Address(addresses[0].display_name, parsed.username, parsed.domain)
    except (Unsendable, MessageError, ValueError, IndexError) as error:
        raise SettingsError(f"SMTP_FROM: must be one address, such as Name <name@example.com> ({error})") from None
