"""WebSockets that write whole frames, bound messages, do not compress, and do not wait for ever for a dead peer."""

from __future__ import annotations

import threading
from contextlib import suppress
from socket import SHUT_RDWR
from typing import Any

from engineio import packet as engineio_packet
from gevent.socket import socket as gevent_socket

from web.realtime.transport.wire import EventPacket, text_frame

# Where the WSGI servers put the connection, for simple-websocket to find.
_SOCKETS = ("gunicorn.socket", "werkzeug.socket")

# The first characters of Engine.IO's packets, without that of binary ones in text, which only polling needs.
_PACKETS = frozenset("0123456")


class WholeWrites:
    """A connected socket whose `send` sends everything.

    simple-websocket calls `send` once and ignores its result. If the socket does not block, as under gevent, a client
    that reads slowly would get half a frame, and everything after it would be garbage.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        # Not with TLS: what is written past it would not be encrypted.
        self._kernel = sock._sock if type(sock) is gevent_socket else None
        self._writing = 0
        self.broken = False
        # The reader answers pings and closing frames while the writer may be in the middle of a message.
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def send(self, data: bytes) -> int:
        """Send all of it, or raise OSError."""
        self._writing += 1
        try:
            with self._lock:
                sent: int = self._sock.send(data)
                if sent < len(data):
                    self._sock.sendall(memoryview(data)[sent:])
        except OSError:
            self.broken = True
            raise
        finally:
            self._writing -= 1
        return len(data)

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


class Rest(engineio_packet.Packet):  # type: ignore[misc]  # the base carries no types
    """The rest of a frame that the kernel has taken in part."""

    def __init__(self, frame: bytes) -> None:
        super().__init__(engineio_packet.MESSAGE, frame)


def send(socket: Any, packet: EventPacket) -> None:
    """Send a packet to an Engine.IO socket: at once where nothing waits before it, else through its queue.

    Engine.IO wakes a writer for each packet, which costs several times what the packet does. Raises EngineIOError.
    """
    wire: WholeWrites | None = getattr(socket, "wire", None)
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


def hardened(driver: type[Any], timeout: float) -> type[Any]:
    """Return the WebSocket class of an Engine.IO driver with bounds.

    A peer that sends nothing for `timeout` seconds, not even the pongs that Engine.IO asks for, or reads nothing for
    that long, is disconnected. Otherwise a peer that never reads would keep its thread and its socket for ever.
    """

    class WebSocket(driver):  # type: ignore[misc]  # the base carries no types
        def __init__(self, handler: Any, server: Any) -> None:
            super().__init__(handler, server)
            # Without it a message is collected whole before Engine.IO looks at its size.
            self.server_args["max_message_size"] = server.max_http_buffer_size

        def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
            environ = dict(environ)
            # simple-websocket accepts permessage-deflate from any client that offers it. That costs some 300 kB for
            # each connection, and triples the time for a message of half a kilobyte.
            environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
            sockets = {key: environ[key] for key in _SOCKETS if key in environ}
            for key, sock in sockets.items():
                sock.settimeout(timeout)
                # The handler is a method of Engine.IO's socket.
                self.app.__self__.wire = environ[key] = WholeWrites(sock)
            try:
                return super().__call__(environ, start_response)
            finally:
                # A client that we disconnect may leave its end open. Then simple-websocket's thread goes on reading,
                # and gunicorn's threaded worker waits two seconds for it before it accepts other connections.
                for sock in sockets.values():
                    with suppress(OSError):
                        sock.shutdown(SHUT_RDWR)

        def send(self, message: str | bytes) -> None:
            if not self.ws.connected:
                self.ws.sock.broken = True
                raise OSError("the WebSocket is closed")
            # No event of ours is binary: bytes are the rest of a frame.
            self.ws.sock.send(message if isinstance(message, bytes) else text_frame(message))

        def wait(self) -> Any:
            message = super().wait()
            # Not a packet of Engine.IO: treated as a disconnect, instead of a traceback and a half-open connection.
            if isinstance(message, str) and message[:1] not in _PACKETS:
                return None
            return message

    return WebSocket
