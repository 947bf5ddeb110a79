"""gunicorn's gevent worker, except for its end: it waits for requests, and not for connections that only stay open."""

from __future__ import annotations

from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

# A socket ends when its client leaves, and a long poll when there is news: both begin anew elsewhere at once.
_LASTING = "/socket.io/"


class Worker(GeventWorker):  # type: ignore[misc]
    """Ends as soon as the last request is answered.

    Left to itself gunicorn waits graceful_timeout for every connection that is kept alive and for every WebSocket, with
    its port closed already: each restart would be an outage of that length.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: set[_Idle] = set()
        self._lasting: set[Any] = set()

    def timeout_ctx(self) -> Any:
        """Asked for when a connection begins to wait for its next request."""
        return _Idle(self._idle, 0 if not self.alive else self.cfg.keepalive)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Serve one request."""
        greenlet = gevent.getcurrent()
        lasting = req.path.startswith(_LASTING)
        if lasting:
            self._lasting.add(greenlet)
        try:
            super().handle_request(listener_name, req, sock, addr)
        finally:
            self._lasting.discard(greenlet)

    def notify(self) -> None:
        """Called every second, also while the worker waits for its end."""
        super().notify()
        if self.alive:
            return
        for wait in list(self._idle):
            wait.end()
        for greenlet in list(self._lasting):
            greenlet.kill(block=False)


class _Idle:
    """A connection's wait for its next request, ended silently by a time-out, by `end` or by the request."""

    def __init__(self, all_of_them: set[_Idle], seconds: float) -> None:
        self._all = all_of_them
        self._timeout = gevent.Timeout(seconds, False)
        self._greenlet = gevent.getcurrent()
        self._end = gevent.get_hub().loop.timer(0)

    def end(self) -> None:
        # Not by kill(): a request that arrives this moment stops the timer, but could not stop a kill.
        self._end.start(self._greenlet.throw, self._timeout)

    def __enter__(self) -> None:
        self._all.add(self)
        self._timeout.start()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        self._all.discard(self)
        self._end.close()
        self._timeout.close()
        return error is self._timeout
