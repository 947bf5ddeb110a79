"""Intervals of the realtime half."""

from __future__ import annotations

from dataclasses import dataclass

from bus.presence import LEASE, RELOAD


@dataclass(frozen=True, slots=True)
class Timing:
    """Intervals in seconds. Tests make their own."""

    # Redis sends nothing when a subscription dies with its connection, so the process publishes a heartbeat to itself.
    heartbeat: float = 5.0
    deaf_after: float = 15.0
    # While Redis is unavailable, what is published is lost. The sooner we subscribe again, the less replay has to do.
    resubscribe_max: float = 4.0

    # Between two checks of the heads of the rooms with members: the longest time for which a lost publish is late.
    heads: float = 15.0
    # An event is published a moment after its commit; a connection is behind only if it still is after this.
    grace: float = 1.5
    # Workers finish in any order, so a small gap usually closes by itself.
    gap: float = 2.0
    # A client that got `more: true` has this long to ask for the next page; then it is sent unasked.
    paging: float = 15.0
    # Between attempts while the database is unavailable.
    retry: float = 2.0

    # Between two sends of counts; requests that arrive meanwhile are answered together.
    counts: float = 0.2

    # See bus/presence.py.
    lease: float = LEASE
    # Between two reports of one connection.
    renew: float = 20.0
    reload: float = RELOAD
    # Between two states of one connection; the last one is announced.
    states: float = 1.0
    # Between attempts of presence while Redis is unavailable.
    presence_retry: float = 5.0

    # How long before its token expires a client is warned.
    expiring: float = 60.0
    # A connection that has not authenticated by then is closed.
    handshake: float = 45.0
    tick: float = 1.0
