"""Connections whose client has not authenticated: there is room for some, and for one more the oldest is closed."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from prometheus_client import Counter

# A client authenticates with its first request. Under an attack with 1,000 connections a second it has two seconds.
MAX_NEWCOMERS = 2_000

CLOSED = Counter(
    "carillon_newcomers_closed_total", "Connections that showed no token, closed to make room for new ones"
)


class Newcomers:
    """The connections that have shown no valid token, the oldest first. Each is a socket of gevent."""

    def __init__(self, limit: int = MAX_NEWCOMERS) -> None:
        self._limit = limit
        # A dict keeps the order in which they came.
        self._connections: dict[Any, None] = {}

    def add(self, connection: Any) -> None:
        """Add a new connection."""
        if len(self._connections) >= self._limit:
            self.close_oldest()
        self._connections[connection] = None

    def close_oldest(self) -> None:
        """Close the oldest connection, if there is one."""
        oldest = next(iter(self._connections), None)
        if oldest is None:
            return
        del self._connections[oldest]
        CLOSED.inc()
        # Whoever reads or writes there finds that the connection has ended. The `shutdown` of gevent would raise
        # an error there, which gunicorn logs.
        with suppress(OSError):
            oldest._sock.shutdown(socket.SHUT_RDWR)

    def discard(self, connection: Any) -> None:
        """Remove a connection that has ended, or whose client has authenticated."""
        self._connections.pop(connection, None)

    def __contains__(self, connection: Any) -> bool:
        return connection in self._connections
