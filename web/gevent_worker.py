"""gunicorn's gevent worker, with bounds: on connections, on the time of a request, and on the wait at shutdown."""

from __future__ import annotations

from typing import Any

import gevent
from gevent.lock import Semaphore
from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

from web.newcomers import Newcomers

# Requests that stay open until the client leaves (WebSocket) or an event arrives (long polling). They can be cut off at
# shutdown, because clients reconnect to another process at once.
_LONG_LIVED = "/socket.io/"

# A request has this many seconds, from its headers to the last byte of its answer. Twice as long as the longest poll.
_REQUEST_SECONDS = 120

# The last connections are for clients that have authenticated, and for probes.
_RESERVED = 100
_PROBES = frozenset({"/healthz", "/readyz"})


class Worker(GeventWorker):  # type: ignore[misc]
    """Limits what a client can hold, and stops as soon as the last request is answered.

    gunicorn's own worker lets a client take minutes to send a request or to read an answer, and serves a client that
    sends without a pause before all others. At shutdown it waits for keep-alive connections and WebSockets until
    graceful_timeout. Its port is closed by then, so every restart would be an outage of that length.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: set[_Idle] = set()
        self._long_lived: set[Any] = set()
        self._stopped = False
        self._open = 0
        self._turn = Semaphore()

    @property
    def _newcomers(self) -> Newcomers:
        newcomers: Newcomers = self.wsgi.extensions["carillon"].newcomers
        return newcomers

    @property
    def _crowded(self) -> bool:
        return bool(self._open > self.worker_connections - _RESERVED)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve one connection until it ends."""
        self._open += 1
        if self._crowded:
            self._newcomers.close_oldest()
        self._newcomers.add(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self._newcomers.discard(client)
            self._open -= 1

    def timeout_ctx(self) -> Any:
        """Called when a connection starts to wait for its next request."""
        return _Idle(self._idle, 0 if not self.alive else self.cfg.keepalive)

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
        overdue = gevent.Timeout(None if is_websocket else _REQUEST_SECONDS)
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

    def notify(self) -> None:
        """Called every second, also during shutdown."""
        super().notify()
        if self.alive:
            return
        for wait in list(self._idle):
            wait.end()
        if not self._stopped:
            self._stopped = True
            # Imported here, because this worker must patch modules before they are loaded.
            from web.realtime import stop

            stop(self.wsgi)
            return
        # What is left waits for a client that does not read.
        for greenlet in list(self._long_lived):
            greenlet.kill(block=False)


class _Idle:
    """A connection's wait for its next request. It ends without an error: by timeout, by `end`, or by the request."""

    def __init__(self, waits: set[_Idle], seconds: float) -> None:
        self._waits = waits
        self._timeout = gevent.Timeout(seconds, False)
        self._greenlet = gevent.getcurrent()
        self._end = gevent.get_hub().loop.timer(0)

    def end(self) -> None:
        # A timer instead of kill(): if a request arrives at this moment, it can still cancel the timer.
        self._end.start(self._greenlet.throw, self._timeout)

    def __enter__(self) -> None:
        self._waits.add(self)
        self._timeout.start()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        self._waits.discard(self)
        self._end.close()
        self._timeout.close()
        return error is self._timeout
