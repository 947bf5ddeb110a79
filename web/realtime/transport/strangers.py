"""Engine.IO connections whose client has not authenticated: there is room for some, and the oldest goes first."""

from __future__ import annotations

from typing import Any

from web.newcomers import Newcomers
from web.realtime import metrics
from web.realtime.transport.closing import end

# Each costs some 60 kB. A client authenticates within a second, so this is enough for 1,000 new clients a second.
MAX_STRANGERS = 1_000


class Strangers:
    """The Engine.IO connections that have not authenticated, the oldest first."""

    def __init__(self, eio: Any, newcomers: Newcomers, limit: int = MAX_STRANGERS) -> None:
        self._eio = eio
        self._newcomers = newcomers
        self._limit = limit
        # A dict keeps the order in which they came.
        self._sids: dict[str, None] = {}

    def add(self, sid: str) -> None:
        """Add a new connection. If there are too many, the oldest is closed."""
        if len(self._sids) >= self._limit:
            for known in list(self._sids):
                if known not in self._eio.sockets:
                    self._sids.pop(known, None)
        while len(self._sids) >= self._limit:
            oldest = next(iter(self._sids))
            del self._sids[oldest]
            if oldest in self._eio.sockets:
                end(self._eio, self._eio.sockets[oldest])
                metrics.STRANGERS_CLOSED.inc()
        self._sids[sid] = None

    def authenticated(self, sid: str, wire: Any) -> None:
        """Remove a connection whose client has authenticated. `wire` is its WebSocket, or None if it polls."""
        self._sids.pop(sid, None)
        if wire is not None:
            self._newcomers.discard(wire.sock)

    def seen(self, sid: str, connection: Any) -> None:
        """Note over which connection of the WSGI server a client polls."""
        if sid not in self._sids:
            self._newcomers.discard(connection)

    def __contains__(self, sid: str) -> bool:
        return sid in self._sids
