"""Connections whose client has not authenticated: how many there can be, and how much each connection can send."""

from __future__ import annotations

import time
from typing import Any

from bus.token_bucket import Bucket, Limit
from web.newcomers import Newcomers
from web.realtime import metrics
from web.realtime.transport.closing import end
from web.realtime.transport.wire import Malformed

# Each costs some 60 kB. A client authenticates within a second, so this is enough for 1,000 new clients a second.
MAX_STRANGERS = 1_000

# A packet costs 1, and 1 for each kilobyte of it. A handshake is two packets with a token of at most 8 kB, and a
# connection can try several (MAX_FAILED_HANDSHAKES in web/realtime/limits.py).
STRANGER = Limit(1, 100)
# More than the limits of events (web/realtime/limits.py) let through, so that those answer first.
CLIENT = Limit(200, 2_000)

# How long (seconds) a client that has sent too much is not read before its bucket is looked at again.
_PAUSE = 0.1


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
            self._sids = {known: None for known in list(self._sids) if known in self._eio.sockets}
        while len(self._sids) >= self._limit:
            oldest = next(iter(self._sids))
            del self._sids[oldest]
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


class Budget:
    """How much one connection can send. A stranger that sends more is disconnected; a client is read more slowly."""

    def __init__(self, strangers: Strangers, eio: Any, sid: str) -> None:
        self._strangers = strangers
        self._eio = eio
        self._sid = sid
        self._stranger = True
        self._bucket = Bucket(STRANGER, time.monotonic())

    def spend(self, packets: int, size: int) -> None:
        """Wait until so many packets, of `size` bytes together, are within the limit. Raises Malformed."""
        if self._stranger and self._sid not in self._strangers:
            self._stranger = False
            self._bucket = Bucket(CLIENT, time.monotonic())
        cost = packets + size // 1024
        while not self._bucket.take(cost, time.monotonic()):
            if self._stranger or cost > CLIENT.burst:
                raise Malformed("more than a client has a reason to send")
            self._eio.sleep(_PAUSE)
