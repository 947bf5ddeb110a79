"""A mail server that answers by script, keeps to RFC 5321 and RFC 2920 otherwise, and counts round trips."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.channels import support

# In place of a reply. LOST takes the mail first.
HANG_UP = ""
LOST = "lost"


@dataclass(frozen=True)
class Script:
    """What is answered while one mail is handed in.

    `nobody` answers a DATA without a recipient. `careless`: what follows a refused MAIL is answered as if it were not.
    `lingers`: a reply of 421 is not the last.
    """

    mail: str = "250 2.1.0 ok"
    rcpt: str = "250 2.1.5 ok"
    data: str = "354 go on"
    dot: str = "250 2.0.0 taken"
    nobody: str = "503 5.5.1 RCPT first"
    rset: str = "250 ok"
    careless: bool = False
    lingers: bool = False


class MailServer:
    """Its connections share the scripts, one for each MAIL; when they are used up, all is well.

    `offers` is what EHLO answers, `secured` the same after STARTTLS. Replies are written `piece` bytes at a time.
    """

    def __init__(
        self,
        scripts: Iterable[Script] = (),
        *,
        offers: Sequence[str] = (),
        secured: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
        piece: int = 1 << 16,
    ) -> None:
        self.scripts = iter(scripts)
        self.offers, self.secured, self.tls, self.piece = offers, secured, tls, piece
        # All that was read, and of it what was taken: each mail's recipient and content.
        self.received = b""
        self.taken: list[tuple[str, bytes]] = []
        self.connections = 0
        # How often all that had come was answered, and how often something came that had to wait for an answer.
        self.turns = 0
        self.early = 0

    def running(self) -> AbstractContextManager[int]:
        """On the port that this yields."""
        return support.server(lambda connection: _Conversation(self, connection).hold())


class _HungUp(OSError):
    """The conversation is over."""


class _Conversation:
    def __init__(self, server: MailServer, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._offers = server.offers
        self._unread = b""
        self._unsaid = b""
        self._script = Script()
        self._begun = False
        self._recipient = ""

    def hold(self) -> None:
        self._server.connections += 1
        # Or pieces would wait for each other's acknowledgement.
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._say("220 hello")
        try:
            while True:
                self._obey(self._line().decode())
        finally:
            # The socket that support.server closes is no longer ours after STARTTLS.
            self._connection.close()

    def _obey(self, line: str) -> None:
        match line[:4].strip().lower():
            case "ehlo":
                self._say("\r\n".join([*(f"250-{offer}" for offer in ("hello", *self._offers)), "250 HELP"]))
            case "star":
                self._secure()
            case "mail" if self._begun:
                self._say("503 5.5.1 nested MAIL")
            case "mail":
                self._script = next(self._server.scripts, Script())
                self._say(self._script.mail)
                self._begun = self._script.careless or self._script.mail.startswith("250")
            case "rcpt" if self._begun:
                self._say(self._script.rcpt)
                self._recipient = line[line.index("<") + 1 : line.index(">")] if self._script.rcpt[0] == "2" else ""
            case "data":
                self._synchronise()
                self._data()
            case "rset":
                self._say(self._script.rset)
                self._begun, self._recipient = False, ""
            case "quit":
                raise _HungUp
            case _:
                self._say("503 5.5.1 not now")

    def _data(self) -> None:
        reply = self._script.data if self._recipient else self._script.nobody
        self._say(reply)
        if not reply.startswith("354"):
            return
        lines = []
        while (line := self._line()) != b".":
            lines.append(line.removeprefix(b".") + b"\r\n")
        if self._recipient and self._script.dot.startswith(("250", LOST)):
            self._server.taken.append((self._recipient, b"".join(lines)))
        self._say("554 5.5.1 no valid recipients" if not self._recipient else self._script.dot)
        self._begun, self._recipient = False, ""

    def _secure(self) -> None:
        assert self._server.tls is not None
        self._synchronise()
        self._say("220 go ahead")
        self._flush()
        self._connection = self._server.tls.wrap_socket(self._connection, server_side=True)
        self._offers = self._server.secured

    def _synchronise(self) -> None:
        self._server.early += bool(self._unread)

    def _line(self) -> bytes:
        while b"\r\n" not in self._unread:
            self._flush()
            data = self._connection.recv(1 << 20)
            if not data:
                raise _HungUp
            self._server.received += data
            self._unread += data
        line, _, self._unread = self._unread.partition(b"\r\n")
        if "PIPELINING" not in self._offers and self._unread and self._unsaid:
            self._server.early += 1
        return line

    def _say(self, reply: str) -> None:
        if reply in (HANG_UP, LOST):
            self._flush()
            raise _HungUp
        self._unsaid += reply.encode() + b"\r\n"
        if reply.startswith("421") and not self._script.lingers:
            self._flush()
            raise _HungUp

    def _flush(self) -> None:
        if self._unsaid:
            self._server.turns += 1
        for begin in range(0, len(self._unsaid), self._server.piece):
            self._connection.sendall(self._unsaid[begin : begin + self._server.piece])
        self._unsaid = b""
