"""A mail server that follows a script, and RFC 5321 and RFC 2920 otherwise. It counts round trips."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import repeat

from tests.channels import support

# Used in place of a reply: close the connection. LOST accepts the mail first.
HANG_UP = ""
LOST = "lost"


@dataclass(frozen=True)
class Script:
    """The replies for one mail.

    `no_rcpt` is the reply to DATA without a recipient. With `careless`, the commands after a refused MAIL are answered
    as if it had been accepted. With `lingers`, the connection stays open after a 421.
    """

    mail: str = "250 2.1.0 ok"
    rcpt: str = "250 2.1.5 ok"
    data: str = "354 go on"
    dot: str = "250 2.0.0 accepted"
    no_rcpt: str = "503 5.5.1 RCPT first"
    rset: str = "250 ok"
    careless: bool = False
    lingers: bool = False


class MailServer:
    """Uses one script for each MAIL command, across all connections. After the last script, every mail is accepted.

    `offers` are the extensions in the reply to EHLO; `offers_tls` are those after STARTTLS. Replies are written in
    pieces of `piece` bytes. `max_mails`: what is replied to MAIL after so many mails of a session. `max_connections`:
    one more connection is refused with `full`. Each mail takes `seconds`.
    """

    def __init__(
        self,
        scripts: Iterable[Script] = (),
        *,
        offers: Sequence[str] = (),
        offers_tls: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
        piece: int = 1 << 16,
        max_mails: tuple[int, str] = (1_000, ""),
        max_connections: int = 1_000,
        full: str = "421 4.7.0 too many connections",
        seconds: float = 0.0,
    ) -> None:
        self.scripts = iter(scripts)
        self.offers, self.offers_tls, self.tls, self.piece = offers, offers_tls, tls, piece
        self.max_mails, self.max_connections, self.full, self.seconds = max_mails, max_connections, full, seconds
        self.open, self.lock = 0, threading.Lock()
        # All bytes received, and the accepted mails: recipient and content.
        self.received = b""
        # What came with AUTH, and the replies to it and to the answers to challenges.
        self.logins: list[str] = []
        self.answers_to_login: Iterator[str] = repeat("235 2.7.0 welcome")
        self.accepted: list[tuple[str, bytes]] = []
        self.connections = 0
        # How often the server wrote replies, and how often commands arrived that should have waited for a reply.
        self.round_trips = 0
        self.early = 0

    def running(self) -> AbstractContextManager[int]:
        """Run the server and yield its port."""
        return support.server(lambda connection: _Session(self, connection).run())

    def reply_to_rcpt(self, address: str) -> str | None:
        """The reply to RCPT for this address, if it is not the script's."""
        return None


class Refusing(MailServer):
    """A server with a reply for each recipient: the one of the first part of the address that it knows."""

    def __init__(self, **replies: str) -> None:
        super().__init__(offers=("PIPELINING",))
        self.replies = replies

    def reply_to_rcpt(self, address: str) -> str:
        found = (reply for part, reply in self.replies.items() if address.startswith(part))
        return next(found, "250 ok").format(address)


class _SessionEnded(OSError):
    """The connection is closed."""


class _Session:
    def __init__(self, server: MailServer, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._offers = server.offers
        self._unread = b""
        self._unwritten = b""
        self._script = Script()
        self._mail_begun = False
        self._mails = 0
        self._recipient = ""

    def run(self) -> None:
        with self._server.lock:
            self._server.connections += 1
            self._server.open += 1
        # Otherwise each piece would wait for the acknowledgement of the previous one.
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._reply("220 hello" if self._server.open <= self._server.max_connections else self._server.full)
            while True:
                self._handle(self._read_line().decode())
        finally:
            with self._server.lock:
                self._server.open -= 1
            # After STARTTLS this is not the socket that support.server closes.
            self._connection.close()

    def _handle(self, line: str) -> None:
        match line[:4].strip().lower():
            case "ehlo":
                self._reply("\r\n".join([*(f"250-{offer}" for offer in ("hello", *self._offers)), "250 HELP"]))
            case "auth":
                self._server.logins.append(line)
                self._reply(next(self._server.answers_to_login))
                self._answer_challenges()
            case "star":
                self._start_tls()
            case "mail":
                self._mail()
            case "rcpt" if self._mail_begun:
                address = line[line.index("<") + 1 : line.index(">")]
                reply = self._server.reply_to_rcpt(address) or self._script.rcpt
                self._reply(reply)
                self._recipient = address if reply.startswith("2") else ""
            case "data":
                self._check_early()
                self._data()
            case "rset":
                self._reply(self._script.rset)
                self._mail_begun, self._recipient = False, ""
            case "quit":
                self._flush()
                raise _SessionEnded
            case _:
                self._reply("503 5.5.1 not now")

    def _mail(self) -> None:
        if self._mail_begun:
            self._reply("503 5.5.1 nested MAIL")
        elif self._mails >= self._server.max_mails[0]:
            self._reply(self._server.max_mails[1])
        else:
            self._mails += 1
            self._script = next(self._server.scripts, Script())
            self._reply(self._script.mail)
            self._mail_begun = self._script.careless or self._script.mail.startswith("250")

    def _answer_challenges(self) -> None:
        while self._unwritten.startswith(b"334"):
            self._server.logins.append(self._read_line().decode())
            self._reply(next(self._server.answers_to_login))

    def _data(self) -> None:
        reply = self._script.data if self._recipient else self._script.no_rcpt
        self._reply(reply)
        if not reply.startswith("354"):
            return
        lines = []
        while (line := self._read_line()) != b".":
            lines.append(line.removeprefix(b".") + b"\r\n")
        time.sleep(self._server.seconds)
        if self._recipient and self._script.dot.startswith(("250", LOST)):
            self._server.accepted.append((self._recipient, b"".join(lines)))
        self._reply("554 5.5.1 no valid recipients" if not self._recipient else self._script.dot)
        self._mail_begun, self._recipient = False, ""

    def _start_tls(self) -> None:
        assert self._server.tls is not None
        self._check_early()
        self._reply("220 go ahead")
        self._flush()
        self._connection = self._server.tls.wrap_socket(self._connection, server_side=True)
        self._offers = self._server.offers_tls

    def _check_early(self) -> None:
        self._server.early += bool(self._unread)

    def _read_line(self) -> bytes:
        while b"\r\n" not in self._unread:
            self._flush()
            data = self._connection.recv(1 << 20)
            if not data:
                raise _SessionEnded
            self._server.received += data
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\r\n")
        if "PIPELINING" not in self._offers and self._unread and self._unwritten:
            self._server.early += 1
        return line

    def _reply(self, reply: str) -> None:
        if reply in (HANG_UP, LOST):
            self._flush()
            raise _SessionEnded
        self._unwritten += reply.encode() + b"\r\n"
        if reply.startswith("421") and not self._script.lingers:
            self._flush()
            raise _SessionEnded

    def _flush(self) -> None:
        if self._unwritten:
            self._server.round_trips += 1
        for begin in range(0, len(self._unwritten), self._server.piece):
            self._connection.sendall(self._unwritten[begin : begin + self._server.piece])
        self._unwritten = b""
