"""Engine.IO, held to bounds: a client that does not follow the protocol is disconnected at once, and leaves nothing.

The library would log a traceback for each packet that it cannot read, answer OK for a request whose packets it has
dropped, and wait for clients that are gone.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from engineio import packet as engineio_packet
from socketio import packet

from web.newcomers import Newcomers
from web.realtime.transport.budget import Budget
from web.realtime.transport.closing import ENDED, end
from web.realtime.transport.strangers import Strangers
from web.realtime.transport.websocket import WebSocket
from web.realtime.transport.wire import BINARY, Malformed, StrictPacket

# Between two packets of one request (Engine.IO protocol, version 4).
_SEPARATOR = b"\x1e"
_CLOSE = str(engineio_packet.CLOSE).encode()
# What a client may send by polling: a close, a pong, and messages. "b" is a binary message.
_POLLED = frozenset({str(engineio_packet.CLOSE), str(engineio_packet.PONG), str(engineio_packet.MESSAGE), "b"})

# Errors of clients. The library would log the first of each kind as an error of the server.
_ERRORS_OF_CLIENTS = (
    "bad-jsonp-index",
    "bad-sid",
    "bad-transport",
    "bad-upgrade",
    "bad-version",
    "not-connected",
    "unexpected-http",
)

# In the session of an Engine.IO connection: the binary attachments that are still to come, whether a request waits for
# packets, and how much the client can send.
_ATTACHMENTS = "attachments"
_POLLING = "polling"
_BUDGET = "budget"

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def harden(server: Any, newcomers: Newcomers, patience: float) -> Strangers:
    """Make a Socket.IO server end the connections of clients that do not follow the protocol, or send too much.

    A client that neither sends nor reads for `patience` seconds is disconnected. Returns the connections whose clients
    have not authenticated, for the caller to remove those that have.
    """
    eio = server.eio
    strangers = Strangers(eio, newcomers)
    connect = eio.handlers["connect"]

    def connected(sid: str, environ: dict[str, Any]) -> Any:
        eio.sockets[sid].session[_BUDGET] = Budget(strangers, eio, sid)
        strangers.add(sid)
        return connect(sid, environ)

    def websocket(handler: Any, _eio: Any) -> WebSocket:
        return WebSocket(handler, eio, handler.__self__.session[_BUDGET], patience)

    eio.log_message_keys.update(_ERRORS_OF_CLIENTS)
    # The drivers' table is shared by all servers of the process, so the change is made in a copy.
    eio._async = {**eio._async, "queue": _queue(eio._async["queue"]), "websocket": websocket}
    eio.on("connect", connected)
    eio.on("message", _Receiver(server))
    return strangers


def _queue(driver: type[Any]) -> type[Any]:
    class Queue(driver):  # type: ignore[misc]  # the base carries no types
        """A queue of packets whose `join` does not wait.

        Engine.IO closes a connection by waiting until the client has fetched all packets, which it may never do.
        """

        def join(self, timeout: float | None = None) -> None:  # noqa: ARG002 - as the base has it
            return

    return Queue


class _Receiver:
    """Takes the messages of clients, in place of the library's `_handle_eio_message`."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def __call__(self, eio_sid: str, message: str | bytes) -> None:
        socket = self._server.eio.sockets.get(eio_sid)
        if socket is None or socket.closing:
            return
        try:
            self._receive(eio_sid, socket, message)
        except Malformed:
            end(self._server.eio, socket)

    def _receive(self, eio_sid: str, socket: Any, message: str | bytes) -> None:
        if not isinstance(message, str):
            if not socket.session.get(_ATTACHMENTS):
                raise Malformed("binary data that was not announced")
            socket.session[_ATTACHMENTS] -= 1
            return
        if socket.session.get(_ATTACHMENTS):
            raise Malformed("an attachment is missing")
        read = StrictPacket(encoded_packet=message)
        if read.packet_type == packet.CONNECT:
            self._server._handle_connect(eio_sid, read.namespace, read.data)
        elif read.packet_type == packet.DISCONNECT:
            self._server._handle_disconnect(eio_sid, read.namespace, self._server.reason.CLIENT_DISCONNECT)
        else:
            self._event(eio_sid, socket, read)

    def _event(self, eio_sid: str, socket: Any, read: StrictPacket) -> None:
        namespace = read.namespace or "/"
        sid = self._server.manager.sid_from_eio_sid(eio_sid, namespace)
        if not self._server.manager.is_connected(sid, namespace):
            raise Malformed("an event before the handshake")
        data = read.data
        if read.packet_type == packet.BINARY_EVENT:
            socket.session[_ATTACHMENTS] = read.announced
            data = [data[0], BINARY]
        self._server._handle_event(eio_sid, namespace, read.id, data)


class PolledRequests:
    """WSGI middleware: looks at what clients POST before Engine.IO does, so that all of it can be handled."""

    def __init__(self, app: Wsgi, eio: Any, strangers: Strangers, path: str = "/socket.io/") -> None:
        self._app = app
        self._eio = eio
        self._strangers = strangers
        self._path = path

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer 400 to what does not follow the protocol, or 413 if it is too large. Pass on everything else."""
        if not environ["PATH_INFO"].startswith(self._path):
            return self._app(environ, start_response)
        sid = parse_qs(environ.get("QUERY_STRING", "")).get("sid", [""])[0]
        socket = self._eio.sockets.get(sid)
        if socket is None or socket.upgraded:
            return self._app(environ, start_response)
        self._strangers.seen(sid, environ.get("gunicorn.socket"))
        if environ["REQUEST_METHOD"] == "POST":
            return self._post(socket, environ, start_response)
        if environ["REQUEST_METHOD"] == "GET" and "HTTP_UPGRADE" not in environ:
            return self._poll(socket, environ, start_response)
        return self._app(environ, start_response)

    def _poll(self, socket: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if socket.session.get(_POLLING):
            # The client has given up the other request, which would take the next packet and lose it.
            end(self._eio, socket)
            return _refuse(start_response, "400 Bad Request", "Another request of this session waits for packets.")
        socket.session[_POLLING] = True
        try:
            return self._app(environ, start_response)
        finally:
            socket.session[_POLLING] = False

    def _post(self, socket: Any, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = self._read(environ)
        if body is None:
            end(self._eio, socket)
            limit = self._eio.max_http_buffer_size
            return _refuse(start_response, "413 Content Too Large", f"A request can have at most {limit} bytes.")
        answer: list[Any] = []
        text: Iterable[bytes] = []
        try:
            _check(body)
            socket.session[_BUDGET].spend(body.count(_SEPARATOR) + 1, len(body))
        except Malformed:
            end(self._eio, socket)
        else:
            passed = {**environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
            if _CLOSE in body.split(_SEPARATOR):
                # The protocol has a packet that does nothing to end the poll.
                socket.queue.put(engineio_packet.Packet(engineio_packet.NOOP))
            text = self._app(passed, lambda *head: answer.extend(head))
        if ENDED in socket.session:
            return _refuse(start_response, "400 Bad Request", "These are not packets that a client sends here.")
        start_response(*answer)
        # As the protocol has it: the library answers "OK". It refuses pages of other sites here, with a reason.
        return [b"ok"] if answer[0].startswith("200") else text

    def _read(self, environ: dict[str, Any]) -> bytes | None:
        """The body; None if it is too large."""
        limit = self._eio.max_http_buffer_size
        if int(environ.get("CONTENT_LENGTH") or 0) > limit:
            return None
        # A chunked request has no length.
        body: bytes = environ["wsgi.input"].read(limit + 1)
        return body if len(body) <= limit else None


def _refuse(start_response: Callable[..., Any], status: str, text: str) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text.encode()]


def _check(body: bytes) -> None:
    try:
        packets = [one.decode() for one in body.split(_SEPARATOR)]
        for one in packets:
            if one[:1] == "b":
                base64.b64decode(one[1:], validate=True)
    except (UnicodeDecodeError, binascii.Error) as error:
        raise Malformed("not text") from error
    if not all(one[:1] in _POLLED for one in packets):
        raise Malformed("not packets that clients send")
