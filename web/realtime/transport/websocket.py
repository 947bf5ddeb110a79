"""WebSockets: read where their events are handled, no faster than their client may send; written in whole frames."""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from socket import SHUT_RDWR, SHUT_WR
from typing import Any

from engineio import packet as engineio_packet
from gevent.socket import socket as gevent_socket
from wsproto.connection import SERVER, Connection, ConnectionState
from wsproto.events import CloseConnection, Event, Message, Ping
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

from web.realtime.transport.budget import Budget
from web.realtime.transport.wire import EventPacket, Malformed, text_frame

# RFC 6455 §1.3.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

# The first characters of Engine.IO's packets, without that of binary ones in text, which only polling needs.
_PACKETS = frozenset("0123456")

# A client that sends faster than we read always has data ready. Other clients get their turn after this many packets.
_PACKETS_IN_A_ROW = 20

_READ_BYTES = 4096

# How long (seconds) a client that we disconnect may take to close its end.
_LINGER = 5.0


class WebSocket:
    """A WebSocket as Engine.IO's drivers have it, with `wait`, `send` and `close`.

    The library's driver reads whatever comes into an unbounded list, in a thread of its own, and may write half a frame
    to a client that reads slowly. This one compresses nothing: that costs some 300 kB for each connection, and triples
    the time for a message of half a kilobyte.
    """

    def __init__(self, handler: Any, eio: Any, budget: Budget, timeout: float) -> None:
        """Serve one connection of the Engine.IO server `eio` by `handler`, a method of its socket.

        A peer that sends nothing for `timeout` seconds, not even the pongs that Engine.IO asks for, or reads nothing
        for that long, is disconnected.
        """
        self._handler = handler
        self._eio = eio
        self._budget = budget
        self._timeout = timeout
        self._connection = Connection(SERVER)
        self._parts: list[Any] = []
        self._size = 0
        self._in_a_row = 0
        self._over = False
        self.sock: Any = None
        self._kernel: Any = None
        self._writing = 0
        # The reader answers pings and closing frames while the writer may be in the middle of a message.
        self._lock = threading.Lock()
        # Whether something could not be written.
        self.broken = False

    def __call__(self, environ: Mapping[str, Any], start_response: Any) -> Iterable[bytes]:
        """Serve the connection of a request for an upgrade until it ends."""
        refusal = _refusal(environ)
        if refusal is not None:
            status, headers = refusal
            start_response(status, [*headers, ("Content-Length", "0")])
            # Engine.IO takes a list for packets.
            return ()
        self.sock = environ["gunicorn.socket"]
        self.sock.settimeout(self._timeout)
        # Not with TLS: what is written past it would not be encrypted.
        self._kernel = self.sock._sock if type(self.sock) is gevent_socket else None
        self._handler.__self__.wire = self
        try:
            self._write(_accept(environ["HTTP_SEC_WEBSOCKET_KEY"]))
            self._handler(self)
        finally:
            with suppress(OSError):
                self.sock.shutdown(SHUT_RDWR)
        # gunicorn takes this for the end of the connection.
        raise StopIteration

    def wait(self) -> str | bytes | None:
        """Return the next message, or None when the connection has ended."""
        try:
            while True:
                for event in self._connection.events():
                    message = self._received(event)
                    if self._over:
                        return None
                    if message is not None:
                        return message
                data = self.sock.recv(_READ_BYTES)
                if not data:
                    break
                self._connection.receive_data(data)
        except Malformed:
            self.close(CloseReason.POLICY_VIOLATION)
        except (OSError, LocalProtocolError):
            # The client is gone, or goes on after its closing frame.
            pass
        self._over = True
        return None

    def send(self, message: str | bytes) -> None:
        """Send a message; bytes are the rest of a frame. Raises OSError."""
        if self._over:
            self.broken = True
            raise OSError("the WebSocket is closed")
        self._write(message if isinstance(message, bytes) else text_frame(message))

    def send_now(self, data: bytes) -> int:
        """Send what the kernel takes without blocking; returns the number of bytes. Always 0 without gevent."""
        if self._kernel is None or self._writing:
            return 0
        try:
            sent: int = self._kernel.send(data)
        except OSError:
            # The buffer is full, or the connection has ended: the usual `send` handles both.
            return 0
        return sent

    def close(self, code: CloseReason = CloseReason.NORMAL_CLOSURE) -> None:
        """Tell the client that this is the end. `wait` returns None once the client has closed its end too."""
        if self._over or self._connection.state is not ConnectionState.OPEN:
            return
        with suppress(OSError, LocalProtocolError):
            self._write(self._connection.send(CloseConnection(code)))
            self.sock.shutdown(SHUT_WR)
        self._eio.start_background_task(self._hang_up)

    def _hang_up(self) -> None:
        self._eio.sleep(_LINGER)
        if not self._over:
            # Ends a read that waits for a client that has left its end open.
            with suppress(OSError):
                self.sock.shutdown(SHUT_RDWR)

    def _received(self, event: Event) -> str | bytes | None:
        """Handle a frame; return a message if this was its last one. Raises Malformed, OSError."""
        self._pace(event)
        if isinstance(event, Ping):
            self._write(self._connection.send(event.response()))
        elif isinstance(event, CloseConnection):
            self._over = True
            # What the client asked for, or what is wrong with what it sent.
            with suppress(LocalProtocolError):
                self._write(self._connection.send(event.response()))
        elif isinstance(event, Message):
            return self._assembled(event)
        return None

    def _pace(self, event: Event) -> None:
        size = len(event.data) if isinstance(event, Message) else 0
        self._budget.spend(1, size)
        self._in_a_row += 1
        if self._in_a_row >= _PACKETS_IN_A_ROW:
            self._in_a_row = 0
            self._eio.sleep(0)

    def _assembled(self, event: Message[Any]) -> str | bytes | None:
        self._size += len(event.data)
        if self._size > self._eio.max_http_buffer_size:
            self.close(CloseReason.MESSAGE_TOO_BIG)
            raise Malformed("the message is too large")
        if event.data:
            self._parts.append(event.data)
        if not event.message_finished:
            return None
        message: str | bytes
        if all(isinstance(part, str) for part in self._parts):
            message = "".join(self._parts)
            if message[:1] not in _PACKETS:
                raise Malformed("not a packet of Engine.IO")
        else:
            message = b"".join(self._parts)
        self._parts, self._size = [], 0
        return message

    def _write(self, data: bytes) -> None:
        """Send all of it, or raise OSError."""
        self._writing += 1
        try:
            with self._lock:
                # Half a frame would make everything after it garbage.
                self.sock.sendall(data)
        except OSError:
            self.broken = True
            raise
        finally:
            self._writing -= 1


class Rest(engineio_packet.Packet):  # type: ignore[misc]  # the base carries no types
    """The rest of a frame that the kernel has taken in part."""

    def __init__(self, frame: bytes) -> None:
        super().__init__(engineio_packet.MESSAGE, frame)


def send(socket: Any, packet: EventPacket) -> None:
    """Send a packet to an Engine.IO socket: at once where nothing waits before it, else through its queue.

    Engine.IO wakes a writer for each packet, which costs several times what the packet does. Raises EngineIOError.
    """
    wire: WebSocket | None = getattr(socket, "wire", None)
    # The writer takes packets out of the queue and writes them without a pause in between, so that nothing waits there.
    if wire is not None and socket.upgraded and not (socket.closing or socket.closed or socket.queue.qsize()):
        frame = packet.frame
        sent = wire.send_now(frame)
        if sent == len(frame):
            return
        if sent:
            socket.queue.put(Rest(frame[sent:]))
            return
    socket.send(packet)


def _refusal(environ: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]] | None:
    """The status and headers for a handshake that is not one of version 13 (RFC 6455 §4.2)."""
    if "gunicorn.socket" not in environ:
        return "501 Not Implemented", []
    if environ.get("HTTP_SEC_WEBSOCKET_VERSION", "").strip() != "13":
        return "426 Upgrade Required", [("Sec-WebSocket-Version", "13")]
    try:
        key = base64.b64decode(environ.get("HTTP_SEC_WEBSOCKET_KEY", "").strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    return None if len(key) == 16 else ("400 Bad Request", [])


def _accept(key: str) -> bytes:
    digest = hashlib.sha1(key.strip().encode("ascii") + _GUID, usedforsecurity=False).digest()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    lines.append(f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()
