"""gunicorn's gevent worker, with bounds: on connections, on the time of a request, and on the wait at shutdown."""

from __future__ import annotations

import select
import time
from functools import partial
from typing import Any

import gevent
from gevent import monkey
from gevent.lock import Semaphore
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.sock import ssl_context  # type: ignore[import-untyped]
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

from web.listener import pause, resume
from web.newcomers import Newcomers

# Requests that stay open until the client leaves (WebSocket) or an event arrives (long polling). They can be cut off at
# shutdown, because clients reconnect to another process at once.
_LONG_LIVED = "/socket.io/"

# web/files.py
_FILES = "/attachments/"

# A request has this many seconds, from its headers to the last byte of its answer. Twice as long as the longest poll.
_REQUEST_SECONDS = 120

# The same for a file: the largest of those that fit by default (25 MiB), at 350 kbit/s. The application refuses at once
# who has no signed URL.
_FILE_SECONDS = 600

# At shutdown, a connection has this many seconds to send its first or its next request.
_GRACE = 2.0

# Seconds for handshakes of TCP that are under way when the process stops to listen: one round trip.
_HANDSHAKE = 0.3

# The last connections are for clients that have authenticated, and for probes.
_RESERVED = 100
_PROBES = frozenset({"/healthz", "/readyz"})


class Worker(GeventWorker):  # type: ignore[misc]
    """Limits what a client can hold, and stops as soon as the last request is answered.

    gunicorn's own worker lets a client take minutes to send a request or to read an answer, and serves a client that
    sends without a pause before all others. At shutdown it resets connections that it has not accepted yet, closes
    others while their request is on its way, and waits for WebSockets until graceful_timeout.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: set[_Idle] = set()
        self._long_lived: set[Any] = set()
        self._clients: dict[Any, Any] = {}
        self._turn = Semaphore()

    @property
    def _newcomers(self) -> Newcomers:
        newcomers: Newcomers = self.wsgi.extensions["carillon"].newcomers
        return newcomers

    @property
    def _crowded(self) -> bool:
        return bool(len(self._clients) > self.worker_connections - _RESERVED)

    def run(self) -> None:
        """Serve until SIGTERM, which sets `alive` to False, and stop."""
        tls = {"ssl_context": ssl_context(self.cfg)} if self.cfg.is_ssl else {}
        connections = Pool(self.worker_connections)
        servers = []
        for listener in self.sockets:
            listener.setblocking(1)
            servers.append(StreamServer(listener, handle=partial(self.handle, listener), spawn=connections, **tls))
        for server in servers:
            server.start()
        while self.alive:
            self.notify()
            gevent.sleep(1)
        end = time.monotonic() + self.cfg.graceful_timeout
        self._close(servers)
        self._drain(connections, end)

    def _close(self, servers: list[Any]) -> None:
        for listener in self.sockets:
            pause(listener)
        gevent.sleep(_HANDSHAKE)
        # Until all are accepted. With as many connections as the process can have, one of them must end first.
        end = time.monotonic() + _GRACE
        while time.monotonic() < end and any(_is_readable(listener) for listener in self.sockets):
            gevent.sleep(0.01)
        for server, listener in zip(servers, self.sockets, strict=True):
            resume(listener)
            server.close()

    def _drain(self, connections: Any, end: float) -> None:
        grace = time.monotonic() + _GRACE
        for wait in self._idle:
            wait.end_in(_GRACE)
        # Imported here, because this worker must patch modules before they are loaded.
        from web.realtime import stop

        stop(self.wsgi)
        while time.monotonic() < end and not connections.join(timeout=0.5):
            self.notify()
            if time.monotonic() > grace:
                # What is left waits for a client that does not read.
                for greenlet in list(self._long_lived):
                    greenlet.kill(block=False)
        if connections:
            self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
            connections.kill(timeout=1)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection until it ends."""
        greenlet = gevent.getcurrent()
        self._clients[greenlet] = client
        if self._crowded:
            self._newcomers.close_oldest()
        self._newcomers.add(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self._newcomers.discard(client)
            del self._clients[greenlet]

    def timeout_ctx(self) -> Any:
        """Called when a connection starts to wait for its first or its next request."""
        client = self._clients[gevent.getcurrent()]
        return _Idle(self._idle, client, self.cfg.keepalive if self.alive else _GRACE)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Handle one request. Raises StopIteration to close the connection."""
        if sock in self._newcomers and req.path not in _PROBES:
            if self._crowded:
                util.write_error(sock, 503, "Service Unavailable", "there are too many connections; try again later")
                raise StopIteration
            # One after the other, and whoever has authenticated in between.
            with self._turn:
                gevent.sleep(0)
        greenlet = gevent.getcurrent()
        long_lived = req.path.startswith(_LONG_LIVED)
        if long_lived:
            self._long_lived.add(greenlet)
        # A WebSocket has bounds of its own.
        upgrades = ("UPGRADE", "websocket") in {(name, value.lower()) for name, value in req.headers}
        is_websocket = long_lived and req.method == "GET" and upgrades
        seconds = _FILE_SECONDS if req.path.startswith(_FILES) else _REQUEST_SECONDS
        overdue = gevent.Timeout(None if is_websocket else seconds)
        try:
            with overdue:
                super().handle_request(listener_name, req, sock, addr)
        except gevent.Timeout as timeout:
            if timeout is not overdue:
                raise
            raise StopIteration from None
        finally:
            self._long_lived.discard(greenlet)
        # A client that sends requests without a pause always has the next one ready.
        gevent.sleep(0)


class _Idle:
    """A connection's wait for its next request. It ends without an error: by timeout, or by the request."""

    def __init__(self, waits: set[_Idle], client: Any, seconds: float) -> None:
        self._waits = waits
        self._client = client
        self._seconds = seconds
        self._timeout = gevent.Timeout(None, False)
        self._greenlet = gevent.getcurrent()
        self._timer: Any = None

    def end_in(self, seconds: float) -> None:
        """End in that many seconds, instead of when it would have ended."""
        self._cancel()
        self._timer = gevent.get_hub().loop.timer(seconds)
        self._timer.start(self._end)

    def _end(self) -> None:
        if _is_readable(self._client):
            # A request has arrived in this moment, and the greenlet is about to read it.
            self.end_in(0.1)
        else:
            self._greenlet.throw(self._timeout)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.close()

    def __enter__(self) -> None:
        self._waits.add(self)
        self.end_in(self._seconds)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        self._waits.discard(self)
        self._cancel()
        return error is self._timeout


def _is_readable(sock: Any) -> bool:
    # gevent's own would wait, which a callback must not.
    poll = monkey.get_original("select", "poll")()
    poll.register(sock.fileno(), select.POLLIN)
    return bool(poll.poll(0))
