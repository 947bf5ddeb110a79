"""Connections to the mail server, pooled between batches. Every step has a deadline. One thread uses each at a time."""

from __future__ import annotations

import re
import smtplib
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from channels.email import pipelining
from channels.email.message import Mail
from channels.email.oauth import AccessTokens, sasl

# Servers end long sessions, often after 100 mails, and idle ones. `MAX_SESSION` is in seconds.
MAX_MAILS_PER_SESSION = 100
MAX_SESSION = 60.0
# Postfix delays its replies after ten errors in a row and ends the session after twenty (smtpd_soft_error_limit,
# smtpd_hard_error_limit).
MAX_ERRORS_PER_SESSION = 9
# Seconds for which a limit of the server is remembered. Then the configured one is tried again: that costs a refusal.
REMEMBERED_FOR = 60.0
# Maximum bytes of a reply. RFC 5321 §4.5.3.1.5 limits a line to 512 octets, and real replies have a few lines.
MAX_REPLY = 16 * 1024

# "Too many connections" (Postfix, Gmail), "Too many concurrent SMTP connections" (Exim, Amazon SES), "Concurrent
# connections limit exceeded" (Exchange Online).
_TOO_MANY = re.compile(r"too many|concurrent", re.IGNORECASE)

# Cached because loading the trusted certificates is slow.
_default_context = cache(ssl.create_default_context)


@dataclass(frozen=True, slots=True)
class Server:
    """The mail server and the credentials for it.

    `name` is the host name sent in EHLO. If it is empty, our address is sent (RFC 5321 §4.1.4). With `tokens`, they
    are used instead of the password.
    """

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    name: str
    timeout: float
    username: str | None = None
    password: str = field(default="", repr=False)
    tokens: AccessTokens | None = field(default=None, repr=False)
    context: ssl.SSLContext = field(default_factory=_default_context, repr=False)


class _WithDeadline:
    """A mixin for smtplib's classes that ends every operation by `deadline`.

    smtplib's own timeout is for each read, so a server that sends one byte at a time never times out.
    """

    sock: Any
    _read = b""
    # How many replies have come, and whether the server closed the connection.
    replies = 0
    hung_up = False

    def __init__(self, *args: Any, deadline: float, **kwargs: Any) -> None:
        self.deadline = deadline
        super().__init__(*args, **kwargs)  # smtplib's, which connects

    def send(self, s: Any) -> None:
        """See smtplib."""
        self._set_timeout()
        super().send(s)  # type: ignore[misc]  # smtplib's

    def getreply(self) -> tuple[int, bytes]:
        """See smtplib."""
        lines: list[bytes] = []
        while True:
            line = self._read_line(MAX_REPLY - sum(map(len, lines)))
            lines.append(line[4:].strip())
            if not line[:3].isdigit():
                return -1, b"not an SMTP reply"
            if line[3:4] != b"-":
                self.replies += 1
                return int(line[:3]), b"\n".join(lines)

    def starttls(self, *args: Any, **kwargs: Any) -> Any:
        """See smtplib."""
        reply = super().starttls(*args, **kwargs)  # type: ignore[misc]
        # Discard data received before the handshake: it was not encrypted, so anybody could have sent it
        # (CVE-2011-0411).
        self._read = b""
        return reply

    def close(self) -> None:
        """See smtplib."""
        self._read = b""
        super().close()  # type: ignore[misc]

    def _read_line(self, max_length: int) -> bytes:
        while b"\n" not in self._read:
            self._set_timeout()
            try:
                data = self.sock.recv(4096) if self.sock is not None else b""
            except OSError as error:
                self.hung_up = isinstance(error, ConnectionError)
                self.close()
                raise smtplib.SMTPServerDisconnected(f"no answer: {error}") from None
            self.hung_up = not data
            if not data or len(self._read) > max_length:
                self.close()
                raise smtplib.SMTPServerDisconnected(
                    "the server closed the connection" if not data else "the reply is too long"
                )
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _set_timeout(self) -> None:
        if self.sock is None:
            return
        left = self.deadline - time.monotonic()
        if left <= 0:
            self.close()
            raise smtplib.SMTPServerDisconnected("no answer in time")
        self.sock.settimeout(left)


class _Smtp(_WithDeadline, smtplib.SMTP):
    pass


class _SmtpTls(_WithDeadline, smtplib.SMTP_SSL):
    pass


class Connection:
    """One session with the server, opened within `seconds`, for at most `max_mails`.

    smtplib's exceptions are not caught.
    """

    def __init__(self, server: Server, seconds: float, max_mails: int = MAX_MAILS_PER_SESSION) -> None:
        deadline = time.monotonic() + seconds
        # First: a session is not kept waiting for it.
        token = server.tokens.get(seconds / 2) if server.tokens else ""
        self._timeout = server.timeout
        self._max_mails = max_mails
        self._opened_at = time.monotonic()
        # The mails that the session has carried: for which MAIL was accepted. And the errors since the last success.
        self.carried = 0
        self._errors = 0
        # Whether the server has ended the session, before it replied to anything of the last mail.
        self.ended_before_mail = False
        # Without local_hostname, smtplib would look up our host name in the DNS, without a timeout.
        common: dict[str, Any] = {
            "local_hostname": server.name or "localhost",
            "timeout": deadline - self._opened_at,
            "deadline": deadline,
        }
        self._smtp: _Smtp | _SmtpTls
        if server.security == "tls":
            self._smtp = _SmtpTls(server.host, server.port, context=server.context, **common)
        else:
            self._smtp = _Smtp(server.host, server.port, **common)
        if not server.name:
            self._smtp.local_hostname = _address_literal(self._smtp.sock.getsockname()[0])
        try:
            if server.security == "starttls":
                self._smtp.starttls(context=server.context)
            self._smtp.ehlo_or_helo_if_needed()
            if server.username is not None:
                if server.security == "none":
                    raise smtplib.SMTPNotSupportedError("passwords are not sent without encryption")
                self._login(server, server.username, token)
        except BaseException:
            self._smtp.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the session is open, as far as is known without asking the server."""
        return self._smtp.sock is not None

    @property
    def exhausted(self) -> bool:
        """Whether the session has reached its maximum age, or its number of mails or errors."""
        return (
            self.carried >= self._max_mails
            or self._errors >= MAX_ERRORS_PER_SESSION
            or time.monotonic() - self._opened_at > MAX_SESSION
        )

    @property
    def offers_utf8(self) -> bool:
        """Whether the server accepts non-ASCII addresses (RFC 6531)."""
        return self._smtp.has_extn("smtputf8")

    def deliver(self, sender: str, mail: Mail) -> None:
        """Send one mail within the timeout. Afterwards the session is ready for the next mail, exhausted, or closed."""
        self._smtp.deadline = time.monotonic() + self._timeout
        replies = self._smtp.replies
        # smtplib discards the extensions offered before STARTTLS, so this is from the last EHLO.
        pipelined = self._smtp.has_extn("pipelining")
        try:
            if pipelined:
                pipelining.sendmail(self._smtp, sender, mail)
            else:
                options = ["SMTPUTF8", "BODY=8BITMIME"] if mail.utf8 else ()
                self._smtp.sendmail(sender, [mail.recipient], mail.content, options)
        except smtplib.SMTPException as error:
            # The server has refused the commands that were sent at once with the refused one, too.
            self._errors += 2 if pipelined else 1
            temporary = isinstance(error, smtplib.SMTPSenderRefused) and 400 <= error.smtp_code < 500
            unanswered = self._smtp.hung_up and self._smtp.replies == replies
            self.ended_before_mail = self.carried > 0 and (temporary or unanswered)
            if not (isinstance(error, smtplib.SMTPSenderRefused) or unanswered):
                self.carried += 1
            if self.exhausted or not self._reset():
                self.close()
            raise
        except BaseException:
            # An interrupt between a command and its reply: that reply would be taken for the one to RSET.
            self._smtp.close()
            raise
        self._errors = 0
        self.carried += 1

    def ask(self, sender: str, recipient: str) -> None:
        """Ask whether the server takes a mail, and send none. Raises like `SMTP.sendmail`."""
        self._smtp.deadline = time.monotonic() + self._timeout
        try:
            code, text = self._smtp.mail(sender)
            if code != 250:
                raise smtplib.SMTPSenderRefused(code, text, sender)
            code, text = self._smtp.rcpt(recipient)
            if code not in (250, 251):
                raise smtplib.SMTPRecipientsRefused({recipient: (code, text)})
        finally:
            if not self._reset():
                self._smtp.close()

    def responds(self, seconds: float) -> bool:
        """Return whether the server answers within `seconds`."""
        self._smtp.deadline = time.monotonic() + seconds
        return self._reset()

    def close(self) -> None:
        """Send QUIT without waiting for the reply, and close the connection."""
        if self.alive:
            self._smtp.deadline = time.monotonic() + 1
            with suppress(smtplib.SMTPException):
                self._smtp.putcmd("QUIT")
        self._smtp.close()

    def _login(self, server: Server, username: str, token: str) -> None:
        if server.tokens is None:
            self._smtp.login(username, server.password)
            return
        if "XOAUTH2" not in self._smtp.esmtp_features.get("auth", "").upper().split():
            raise smtplib.SMTPNotSupportedError("the server does not offer XOAUTH2")
        try:
            # The server describes an error in a challenge, whose answer is empty.
            self._smtp.auth("XOAUTH2", lambda challenge=None: sasl(username, token) if challenge is None else "")
        except smtplib.SMTPAuthenticationError:
            server.tokens.forget(token)
            raise

    def _reset(self) -> bool:
        try:
            return self.alive and self._smtp.rset()[0] == 250
        except smtplib.SMTPException:
            return False


def _address_literal(address: str) -> str:
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


class Busy(Exception):
    """The server takes no more connections at the moment, and all that it has taken are in use, here or elsewhere."""


class Limit:
    """A limit of the server: what is configured, or less for a while after the server has refused that."""

    def __init__(self, configured: int) -> None:
        self._configured = configured
        self._learnt = configured
        self._until = 0.0

    @property
    def value(self) -> int:
        """The limit that holds now."""
        return self._learnt if time.monotonic() < self._until else self._configured

    def learn(self, limit: int) -> None:
        """Remember that the server has refused more than `limit`."""
        self._learnt, self._until = max(1, min(limit, self._configured)), time.monotonic() + REMEMBERED_FOR


class Pool:
    """The sessions of a process, at most `max_sessions`. Idle ones are kept for the next batch."""

    def __init__(self, server: Server, max_sessions: int) -> None:
        self._server = server
        self._changed = threading.Condition()
        self._idle: list[Connection] = []
        # Sessions, idle ones included, and those being opened.
        self._open = 0
        self._opening = 0
        self._max_sessions = Limit(max_sessions)
        self._max_mails = Limit(MAX_MAILS_PER_SESSION)
        self._closed = False

    def acquire(self, deadline: float) -> Connection:
        """Return a working session, within the timeout of the server after one is free.

        Raises Busy if none is free before `deadline` (by `time.monotonic()`), smtplib's exceptions, and OSError.
        """
        while True:
            connection = self._take(deadline)
            started = time.monotonic()
            if connection is not None:
                if not connection.exhausted and connection.responds(self._server.timeout / 4):
                    return connection
                connection.close()
                self._count(opened=-1, opening=1)
            try:
                seconds = started + self._server.timeout - time.monotonic()
                connection = Connection(self._server, seconds, self._max_mails.value)
            except BaseException as error:
                others = self._count(opening=-1)
                # Without its saying so, it is a limit if this process has sessions, and else an outage.
                if not _is_temporary_refusal(error) or not (others or _TOO_MANY.search(str(error))):
                    raise
                self._max_sessions.learn(others)
                if not others:
                    _sleep_before(deadline)
            else:
                self._count(opening=-1, opened=1)
                return connection

    def learn_max_mails(self, number: int) -> None:
        """Remember how many mails the server takes in one session."""
        self._max_mails.learn(number)

    def release(self, connection: Connection) -> None:
        """Take a session back, and close all sessions that cannot be used again."""
        with self._changed:
            self._idle.append(connection)
            unusable = [idle for idle in self._idle if self._closed or idle.exhausted or not idle.alive]
            self._idle = [idle for idle in self._idle if idle not in unusable]
            self._changed.notify()
        for idle in unusable:
            idle.close()
        self._count(opened=-len(unusable))

    def close(self) -> None:
        """Close idle sessions now, and sessions in use when they are released."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        self._count(opened=-len(idle))

    def _take(self, deadline: float) -> Connection | None:
        """Return an idle session, or None if another can be opened, which is counted then. Raises Busy."""
        with self._changed:
            while not self._idle and self._open + self._opening >= self._max_sessions.value:
                if not self._changed.wait(deadline - time.monotonic()):
                    raise Busy("all sessions are in use")
            if self._idle:
                return self._idle.pop()
            self._opening += 1
            return None

    def _count(self, *, opening: int = 0, opened: int = 0) -> int:
        """Add to the numbers. Returns how many sessions are open."""
        with self._changed:
            self._opening += opening
            self._open += opened
            self._changed.notify_all()
            return self._open


def _sleep_before(deadline: float) -> None:
    """Wait a second for other processes to give up a session. Raises Busy if `deadline` does not allow it."""
    if time.monotonic() + 1 > deadline:
        raise Busy("the mail server takes no more connections") from None
    time.sleep(1)


def _is_temporary_refusal(error: BaseException) -> bool:
    return isinstance(error, smtplib.SMTPResponseException) and 400 <= error.smtp_code < 500
