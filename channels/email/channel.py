"""The e-mail channel: sends batches by SMTP and classifies the server's replies."""

from __future__ import annotations

import logging
import math
import smtplib
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from typing import TypeGuard
from urllib.parse import urlsplit

from channels.email.message import Mail, MailBuilder, Unsendable, one_line, parse_address
from channels.email.oauth import AccessTokens
from channels.email.replies import classify, essence, is_about_content, parse_reply
from channels.email.smtp import Busy, Connection, Pool, Server
from channels.failures import CREDENTIALS_RETRY_AFTER, FailureLog, log_level, redact
from channels.registry import Mode
from config.settings import Settings, SettingsError
from models.channels import EMAIL
from models.deliveries.lifecycle import Deferred, Failure, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Action, Message
from models.sql.clock import utc_now

# Seconds that a batch waits for a session, while others have all that the server allows.
PATIENCE = 5.0
# Seconds after which a mail is due again that the server was not asked to take.
SOON = 2.0
# A domain of RFC 2606 that accepts no mail.
ELSEWHERE = "postmaster@example.com"
# After this many refusals, with no mail accepted, a batch asks whether the server refuses all mail.
ENOUGH_REFUSALS = 5


def build(settings: Settings, mode: Mode, now: Callable[[], datetime] = utc_now) -> EmailChannel | None:
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
            name=settings.smtp_ehlo_name or own_name(),
            timeout=settings.provider_timeout,
            username=username,
            password=secret,
            tokens=_tokens(settings),
        )
    elif settings.lab_url is not None:
        host = urlsplit(settings.lab_url).hostname
        if host is None:
            raise SettingsError("CARILLON_LAB_URL: has no host")
        server = Server(host, settings.lab_smtp_port, "none", own_name(), settings.provider_timeout)
    else:
        return None
    return EmailChannel(
        server,
        sender,
        max_sessions=settings.smtp_connections,
        footer=settings.email_footer,
        utf8=settings.smtp_utf8,
        clock=now,
    )


def _tokens(settings: Settings) -> AccessTokens | None:
    url, client, secret = (
        settings.smtp_oauth_token_url,
        settings.smtp_oauth_client_id,
        settings.smtp_oauth_client_secret,
    )
    if url is None or client is None or secret is None:
        return None
    return AccessTokens(url, client, secret.get_secret_value(), settings.smtp_oauth_scope)


class EmailChannel:
    """Sends a batch over one session, one mail after another."""

    name = EMAIL

    def __init__(
        self,
        server: Server,
        sender: Address,
        *,
        max_sessions: int = 8,
        footer: str | None = None,
        utf8: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._server = server
        self._pool = Pool(server, max_sessions)
        self._sender = sender
        self._footer = footer
        self._utf8 = utf8
        self._clock = clock

    def send(self, batch: Sequence[Message], deadline: float = math.inf) -> list[Outcome]:
        """See Channel."""
        failures = FailureLog(self.name)
        # A mail takes up to one timeout, and opening a session for it another.
        sending = _BatchSending(self._pool, self._sender, deadline - 2 * self._server.timeout, failures)
        builder = MailBuilder(self._sender, self._clock(), self._footer)
        try:
            outcomes = [self._send(message, builder, sending, failures) for message in batch]
            return sending.reviewed(batch, outcomes)
        finally:
            sending.end()
            failures.log()

    def check(self) -> str | None:
        """See Channel. Connects, logs in, and asks for permission to send two mails, without sending them.

        The first is to the sender itself. A relay that takes that one can be willing to serve only its own domains, so
        the second is to a domain that nobody has mail at. That they have no such mailbox is no fault of ours.
        """
        own = self._sender.addr_spec
        refusals = []
        try:
            connection = self._pool.acquire(time.monotonic())
            try:
                for recipient in (own, ELSEWHERE):
                    try:
                        connection.ask(own, recipient)
                    except smtplib.SMTPRecipientsRefused as error:
                        refusals.append(error)
            finally:
                self._pool.release(connection)
        except Busy as error:
            return str(error)
        except (smtplib.SMTPException, OSError) as error:
            outcome = redact(classify(error), self._server.username or "")
            return None if isinstance(outcome, Sent | Deferred) else outcome.reason
        refusal = _refusal_of_us(refusals)
        if refusal is not None:
            return refusal
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


def _refusal_of_us(refusals: Sequence[smtplib.SMTPRecipientsRefused]) -> str | None:
    """Return the reason why the server sends nothing for us, if the refusals of the two recipients say that."""
    outcomes = [redact(classify(error)) for error in refusals]
    for outcome in outcomes:
        if _refuses_us(outcome):
            return outcome.reason
    if len(outcomes) == 2 and isinstance(outcomes[0], Rejected):
        return outcomes[0].reason if _kind(refusals[0]) == _kind(refusals[1]) else None
    return None


class _BatchSending:
    """Sends the mails of one batch. Replaces a broken connection once; then the remaining mails are deferred.

    `_ended` is the outcome of the remaining mails once the batch cannot continue.
    """

    def __init__(self, pool: Pool, sender: Address, deadline: float, failures: FailureLog) -> None:
        self._pool = pool
        self._sender = sender.addr_spec
        self._deadline = deadline
        self._failures = failures
        self._connection: Connection | None = None
        self._broken_connections = 0
        self._ended: RetryLater | Deferred | None = None
        # The mails that were refused, by delivery, with the last refusal and its outcome; and whether any mail had
        # another outcome.
        self._refused: dict[int, Message] = {}
        self._refusal: Exception = smtplib.SMTPException()
        self._outcome: RetryLater | Rejected = Rejected("")
        self._mixed = False
        # The outcome of all refused mails, if there is one.
        self._held: RetryLater | None = None
        # Whether the server has answered for any mail.
        self._tried = False
        # How many mails in a row the server has refused for the moment, before it knew the recipient.
        self._unwilling = 0

    def send(self, message: Message, mail: Mail) -> Outcome:
        """Send one mail. If the batch has ended, return the outcome that all remaining mails have."""
        if self._ended is None and time.monotonic() > self._deadline:
            self._end(message, "Slow")
        if self._ended is not None:
            return self._ended
        try:
            connection = self._connect()
        except Busy:
            return self._end(message, "Busy")
        except (smtplib.SMTPException, OSError) as error:
            return self._no_connection(message, error)
        if mail.utf8 and not connection.offers_utf8:
            raise Unsendable("the mail server accepts only ASCII addresses")
        try:
            connection.deliver(self._sender, mail)
        except (smtplib.SMTPException, OSError) as error:
            if connection.ended_before_mail:
                # This is about the session: the server takes no more mails in it. A new one has carried none.
                connection.close()
                outcome = self.send(message, mail)
                if isinstance(outcome, Sent):
                    self._pool.learn_max_mails(connection.carried)
                return outcome
            return self._failed(message, mail, connection, error)
        self._tried = self._mixed = True
        self._unwilling = 0
        return Sent(mail.message_id)

    def reviewed(self, batch: Sequence[Message], outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return the outcomes of the batch. If it got nothing but one and the same refusal, the refused are held."""
        held = self._held or self._refusal_of_all()
        if held is None:
            return list(outcomes)
        return [
            replace(held, reason=outcome.reason)
            if message.delivery_id in self._refused and isinstance(outcome, RetryLater | Rejected)
            else outcome
            for message, outcome in zip(batch, outcomes, strict=True)
        ]

    def end(self) -> None:
        """Release the connection."""
        if self._connection is not None:
            self._pool.release(self._connection)

    def _failed(self, message: Message, mail: Mail, connection: Connection, error: Exception) -> Outcome:
        self._tried = True
        if not isinstance(error, smtplib.SMTPSenderRefused):
            self._unwilling = 0
        outcome = redact(classify(error), message.address, mail.recipient)
        self._log_failure(message, error, outcome)
        if isinstance(error, smtplib.SMTPSenderRefused) and _refuses_us(outcome):
            # All mails have the same sender, so the next one would fail too.
            self._ended = outcome = replace(outcome, for_all=True)
        elif isinstance(error, smtplib.SMTPSenderRefused) and isinstance(outcome, RetryLater):
            # Once, it can be about the size of the mail. Twice in a row, the server takes none at the moment.
            self._unwilling += 1
            if self._unwilling > 1:
                outcome = replace(outcome, for_all=True)
                self._end(message, "Unwilling")
        elif not connection.alive and not connection.exhausted:
            self._broken_connections += 1
            if self._broken_connections > 1:
                self._end(message, "SessionsEnded")
        self._compare(message, error, outcome)
        return outcome

    def _no_connection(self, message: Message, error: Exception) -> Outcome:
        # This is not about one mail, so even a permanent error becomes a retry for all of them.
        outcome = redact(classify(error), message.address)
        if self._tried and not _refuses_us(outcome):
            return self._end(message, type(error).__name__)
        ended = outcome if isinstance(outcome, RetryLater) else RetryLater(f"cannot connect: {outcome}")
        self._ended = replace(ended, for_all=ended.failure is Failure.CREDENTIALS)
        self._log_failure(message, error, self._ended)
        return self._ended

    def _end(self, message: Message, why: str) -> Outcome:
        """Defer the remaining mails: the server was never asked to take them."""
        self._ended = Deferred(SOON)
        self._failures.add(message, why, logging.WARNING)
        return self._ended

    def _compare(self, message: Message, error: Exception, outcome: Outcome) -> None:
        """Note whether this refusal is the same as all others of the batch. After some, ask whether it is for all."""
        if not (isinstance(outcome, Rejected) or _refuses_us(outcome)) or (
            self._refused and _kind(error) != _kind(self._refusal)
        ):
            self._mixed = True
            return
        self._refused[message.delivery_id] = message
        self._refusal, self._outcome = error, outcome
        if len(self._refused) == ENOUGH_REFUSALS and not _can_be_the_content(error, outcome):
            self._held = self._refusal_of_all()
            self._ended = self._held or self._ended
            self._mixed = self._held is None

    def _refusal_of_all(self) -> RetryLater | None:
        """Return the outcome of the refused mails if the server would have refused any mail, else None.

        A reply to RCPT can be about these recipients, however it is worded, so the sender's own address decides. A
        reply to the content can be about the content, if its wording does not say otherwise. Then the mails are sent
        again, but each attempt counts.
        """
        if self._mixed or not self._refused or isinstance(self._refusal, smtplib.SMTPSenderRefused):
            return None
        message, outcome = next(iter(self._refused.values())), self._outcome
        of_recipient = isinstance(self._refusal, smtplib.SMTPRecipientsRefused)
        if of_recipient and not self._refuses_sender():
            return None
        if isinstance(outcome, RetryLater):
            held = replace(outcome, for_all=True)
        elif of_recipient:
            held = RetryLater(outcome.reason, Failure.CREDENTIALS, CREDENTIALS_RETRY_AFTER, for_all=True)
        elif len(self._refused) > 1 and not is_about_content(self._refusal):
            held = RetryLater(outcome.reason, Failure.UNCLASSIFIED, CREDENTIALS_RETRY_AFTER)
        else:
            return None
        self._failures.add(message, f"{_label(self._refusal)} for every mail", logging.ERROR)
        return held

    def _refuses_sender(self) -> bool:
        """Return whether the server refuses mail to the sender's own address in the same way."""
        if time.monotonic() > self._deadline:
            return False
        try:
            self._connect().ask(self._sender, self._sender)
        except smtplib.SMTPRecipientsRefused as error:
            return _kind(error) == _kind(self._refusal)
        except (Busy, smtplib.SMTPException, OSError):
            return False
        return False

    def _connect(self) -> Connection:
        if self._connection is not None and (self._connection.exhausted or not self._connection.alive):
            self._pool.release(self._connection)
            self._connection = None
        if self._connection is None:
            self._connection = self._pool.acquire(min(self._deadline, time.monotonic() + PATIENCE))
        return self._connection

    def _log_failure(self, message: Message, error: Exception, outcome: Outcome) -> None:
        self._failures.add(message, _label(error), log_level(outcome))


def _refuses_us(outcome: Outcome) -> TypeGuard[RetryLater]:
    return isinstance(outcome, RetryLater) and outcome.failure is not Failure.PROVIDER_DOWN


def _can_be_the_content(error: Exception, outcome: Outcome) -> bool:
    return isinstance(error, smtplib.SMTPDataError) and isinstance(outcome, Rejected)


def _kind(error: Exception) -> tuple[type[Exception], tuple[int, str, str]]:
    return type(error), essence(parse_reply(error))


def _label(error: Exception) -> str:
    return f"{type(error).__name__} {parse_reply(error).code or ''}".rstrip()


def own_name() -> str:
    """Return this machine's host name if it has a domain, else "".

    Not the sender's domain: servers refuse clients that call themselves by a name of theirs. Not `socket.getfqdn`: it
    asks the DNS, without a timeout.
    """
    name = socket.gethostname()
    return name if "." in name else ""


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
