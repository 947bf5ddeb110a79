"""Connections to the mail server: every step in bounded time, kept from batch to batch, for one thread at a time."""

from __future__ import annotations

import smtplib
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from channels.email import pipelining as email_pipelining
from channels.email.message import Mail

# Servers end sessions that grow long, often at 100 messages, and sessions that stand idle.
MOST_MAILS = 100
LONGEST_SESSION = 60.0
# RFC 5321 §4.5.3.1.5 gives a reply line 512 octets, and nobody answers at such length.
LONGEST_REPLY = 16 * 1024

# Whom this machine trusts is a long list, and is read once.
_trust = cache(ssl.create_default_context)


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in, and as whom. `name` is what we say in EHLO."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    name: str
    timeout: float
    username: str | None = None
    password: str = field(default="", repr=False)
    context: ssl.SSLContext = field(default_factory=_trust, repr=False)


class _Bounded:
    """Ends by `deadline`. Smtplib bounds each read by itself, so that a server that trickles never times out."""

    sock: Any
    _read = b""

    def __init__(self, *args: Any, deadline: float, **kwargs: Any) -> None:
        self.deadline = deadline
        super().__init__(*args, **kwargs)  # SMTP's, which stands behind this class and connects

    def send(self, s: Any) -> None:
        """See smtplib."""
        self._arm()
        super().send(s)  # type: ignore[misc]  # SMTP's, which stands behind this class

    def getreply(self) -> tuple[int, bytes]:
        """See smtplib."""
        lines: list[bytes] = []
        while True:
            line = self._line(LONGEST_REPLY - sum(map(len, lines)))
            lines.append(line[4:].strip())
            if not line[:3].isdigit():
                return -1, b"not an SMTP reply"
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)

    def starttls(self, *args: Any, **kwargs: Any) -> Any:
        """See smtplib."""
        reply = super().starttls(*args, **kwargs)  # type: ignore[misc]
        # What was sent before the handshake was not encrypted, whoever sent it (CVE-2011-0411).
        self._read = b""
        return reply

    def close(self) -> None:
        """See smtplib."""
        self._read = b""
        super().close()  # type: ignore[misc]

    def _line(self, longest: int) -> bytes:
        while b"\n" not in self._read:
            self._arm()
            try:
                data = self.sock.recv(4096) if self.sock is not None else b""
            except OSError as error:
                self.close()
                raise smtplib.SMTPServerDisconnected(f"no answer: {error}") from None
            if not data or len(self._read) > longest:
                self.close()
                raise smtplib.SMTPServerDisconnected("the server hung up" if not data else "the reply does not end")
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _arm(self) -> None:
        if self.sock is None:
            return
        left = self.deadline - time.monotonic()
        if left <= 0:
            self.close()
            raise smtplib.SMTPServerDisconnected("no answer in time")
        self.sock.settimeout(left)


class _Smtp(_Bounded, smtplib.SMTP):
    pass


class _SmtpTls(_Bounded, smtplib.SMTP_SSL):
    pass


class Connection:
    """One session with the server, opened within `seconds`. Whatever smtplib raises passes through."""

    def __init__(self, server: Server, seconds: float) -> None:
        self._timeout = server.timeout
        self._opened_at = time.monotonic()
        self._sent = 0
        # The name is given because smtplib would ask the DNS for one, for as long as the DNS likes.
        common: dict[str, Any] = {
            "local_hostname": server.name,
            "timeout": seconds,
            "deadline": self._opened_at + seconds,
        }
        self._smtp: _Smtp | _SmtpTls
        if server.security == "tls":
            self._smtp = _SmtpTls(server.host, server.port, context=server.context, **common)
        else:
            self._smtp = _Smtp(server.host, server.port, **common)
        try:
            if server.security == "starttls":
                self._smtp.starttls(context=server.context)
            self._smtp.ehlo_or_helo_if_needed()
            if server.username is not None:
                if server.security == "none":
                    raise smtplib.SMTPNotSupportedError("a password is not sent in the clear")
                self._smtp.login(server.username, server.password)
        except BaseException:
            self._smtp.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the session still stands, as far as we were told."""
        return self._smtp.sock is not None

    @property
    def worn(self) -> bool:
        """Whether the session has done enough."""
        return self._sent >= MOST_MAILS or time.monotonic() - self._opened_at > LONGEST_SESSION

    @property
    def offers_utf8(self) -> bool:
        """Whether the server takes addresses that are not ASCII (RFC 6531)."""
        return self._smtp.has_extn("smtputf8")

    def deliver(self, sender: str, mail: Mail) -> None:
        """Hand in one mail within the time-out. Whatever becomes of it, the session is fit for the next, or closed."""
        self._smtp.deadline = time.monotonic() + self._timeout
        self._sent += 1
        try:
            # As the last EHLO said: smtplib forgets what was offered before STARTTLS.
            if self._smtp.has_extn("pipelining"):
                email_pipelining.sendmail(self._smtp, sender, mail)
            else:
                options = ["SMTPUTF8", "BODY=8BITMIME"] if mail.utf8 else ()
                self._smtp.sendmail(sender, [mail.recipient], mail.content, options)
        except smtplib.SMTPException:
            if not self._reset():
                self._smtp.close()
            raise
        except BaseException:
            # It may have come between a command and its reply, which would then pass for that to RSET.
            self._smtp.close()
            raise

    def answers(self, seconds: float) -> bool:
        """Whether the other side is still there and says so within `seconds`."""
        self._smtp.deadline = time.monotonic() + seconds
        return self._reset()

    def close(self) -> None:
        """Say good-bye without waiting for an answer, and close."""
        if self.alive:
            self._smtp.deadline = time.monotonic() + 1
            with suppress(smtplib.SMTPException):
                self._smtp.putcmd("QUIT")
        self._smtp.close()

    def _reset(self) -> bool:
        try:
            return self.alive and self._smtp.rset()[0] == 250
        except smtplib.SMTPException:
            return False


class Pool:
    """The open sessions that nobody uses at the moment."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

    def take(self) -> Connection:
        """A session that works, within the time-out. Raises what smtplib raises."""
        deadline = time.monotonic() + self._server.timeout
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        if connection is not None:
            if not connection.worn and connection.answers(self._server.timeout / 4):
                return connection
            connection.close()
        return Connection(self._server, deadline - time.monotonic())

    def give(self, connection: Connection) -> None:
        """Take a session back. What is not to be used again is closed, the worn ones that lie here as well."""
        with self._lock:
            self._idle.append(connection)
            ended = [idle for idle in self._idle if self._closed or idle.worn or not idle.alive]
            self._idle = [idle for idle in self._idle if idle not in ended]
        for idle in ended:
            idle.close()

    def close(self) -> None:
        """Close the idle sessions now, and those in use when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
