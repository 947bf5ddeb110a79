"""gunicorn's gevent worker with a faster shutdown: it waits for running requests, but not for open connections."""

from __future__ import annotations

from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

# Requests that stay open until the client leaves (WebSocket) or an event arrives (long polling). They can be cut off at
# shutdown, because clients reconnect to another process at once.
_LONG_LIVED = "/socket.io/"


class Worker(GeventWorker):  # type: ignore[misc]
    """Stops as soon as the last request is answered.

    gunicorn's own worker waits for keep-alive connections and WebSockets until graceful_timeout. Its port is closed by
    then, so every restart would be an outage of that length.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: set[_Idle] = set()
        self._long_lived: set[Any] = set()
        self._stopped = False

    def timeout_ctx(self) -> Any:
        """Called when a connection starts to wait for its next request."""
        return _Idle(self._idle, 0 if not self.alive else self.cfg.keepalive)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Handle one request."""
        greenlet = gevent.getcurrent()
        if req.path.startswith(_LONG_LIVED):
            self._long_lived.add(greenlet)
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            self._long_lived.discard(greenlet)

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
