"""The positions of clients that do not keep their own, stored in Redis while they reconnect.

A conforming client sends its position when it reconnects. Clients of the systems that Carillon replaces do not, but
they reconnect with the same token. So their position is stored by token and namespace, and a client that reconnects
soon continues from there. This is best effort: Redis can lose positions, and a web process that is killed has not
stored its last events, which the client then receives again, with the same ids.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from socketio import Server

from bus.circuit_breaker import CircuitBreaker
from bus.redis import UNAVAILABLE, connect
from models.events.cursor import Cursor
from web.realtime.gateway.sessions import Session
from web.realtime.replay.progress import ResumeRequest

log = logging.getLogger(__name__)

# How long (seconds) the position of an interrupted connection is kept: through a restart or a gap in coverage. After a
# longer absence a page is loaded again, or fetches what it shows.
KEPT = 300.0
# How often (seconds) an open connection's position is written again, so that it does not count as ended.
_RENEW = 20.0
# Positions that are written in one pipeline.
_STEP = 200
# Seconds between two writes: at least and, while events are sent, at most. Within these bounds it is this many times as
# long as the last write took.
_MIN_INTERVAL = 0.05
_MAX_INTERVAL = 1.0
_IDLE_FACTOR = 9
# After a failure Redis is not asked for this long (seconds): a handshake waits for it.
_OPEN_SECONDS = 5.0

# The field that marks a token that has been used before.
_SEEN = "seen"


@dataclass(slots=True)
class _Page:
    """A connection of a client that does not keep its position."""

    key: str
    expires_at: datetime
    # Its client has disconnected by itself.
    goodbye: bool = False
    written: Cursor | None = None
    written_at: float = 0.0
    # (time, position), for connections whose end was noticed late.
    earlier: deque[tuple[float, Cursor]] = field(default_factory=lambda: deque(maxlen=16))


class Bookmarks:
    """The positions of this process's connections. Calls to Redis take bounded time and never raise."""

    def __init__(self, redis_url: str, channel: str, patience: float) -> None:
        """`patience`: seconds after which a connection that does not answer counts as ended."""
        self._redis = connect(redis_url, text=True)
        self._prefix = f"{channel}:bookmark:"
        self._patience = patience
        self._lock = threading.Lock()
        self._pages: dict[str, tuple[Session, _Page]] = {}
        self._bell = threading.Event()
        self._breaker = CircuitBreaker(_OPEN_SECONDS)

    def open(self, session: Session, token: str) -> None:
        """Continue from where the client was interrupted, if it was. For clients that send no position."""
        digest = hashlib.sha256(token.encode()).hexdigest()[:32]
        page = _Page(f"{self._prefix}{session.tenant}:{session.namespace}:{digest}", session.expires_at)
        cursor: Cursor | None = None
        if self._breaker.allows():
            try:
                session.resumed, cursor = self._take(page)
                self._breaker.succeeded()
            except UNAVAILABLE as error:
                self._failed(error)
        if cursor is not None:
            session.resume = ResumeRequest(cursor.epoch, cursor.positions)
            page.written = cursor
            page.earlier.append((time.monotonic(), cursor))
        with self._lock:
            self._pages[session.sid] = session, page

    def close(self, session: Session, reason: str) -> None:
        """Store the position of a connection that has ended. `reason` is Socket.IO's."""
        with self._lock:
            _, page = self._pages.pop(session.sid, (None, None))
        now = time.monotonic()
        if page is None:
            return
        # If it ends before its replay, or while packets wait to be sent, the last stored position is right.
        cursor = _position(session) if session.ready and session.backlog() == 0 else page.written
        if reason == Server.reason.PING_TIMEOUT:
            # The client has received nothing for that long.
            cursor = next((position for at, position in reversed(page.earlier) if at <= now - self._patience), None)
        elif reason == Server.reason.CLIENT_DISCONNECT:
            # A client that disconnects was not interrupted, and its next connection is a first one.
            cursor, page.goodbye = None, True
        self._write([(session.sid, page, cursor)])

    def moved(self) -> None:
        """Note that events were sent."""
        self._bell.set()

    def run(self) -> None:
        """Run for ever."""
        while True:
            self._bell.wait(_RENEW / 4)
            self._bell.clear()
            began = time.monotonic()
            try:
                self.turn(began)
            except Exception:
                log.exception("positions are not kept")
            time.sleep(min(_MAX_INTERVAL, max(_MIN_INTERVAL, _IDLE_FACTOR * (time.monotonic() - began))))

    def turn(self, now: float) -> None:
        """Write the positions that have changed."""
        with self._lock:
            pages = list(self._pages.items())
        due: list[tuple[str, _Page, Cursor]] = []
        for sid, (session, page) in pages:
            # Packets that wait to be sent have not been received.
            if not session.ready or session.backlog():
                continue
            cursor = _position(session)
            renew = now - page.written_at >= _RENEW
            if renew:
                page.earlier.append((now, cursor))
            if renew or cursor != page.written:
                due.append((sid, page, cursor))
        for start in range(0, len(due), _STEP):
            if not self._write(due[start : start + _STEP]):
                return

    def _take(self, page: _Page) -> tuple[bool, Cursor | None]:
        """Return whether the token was used before, and the earliest interrupted position, which is given out once."""
        found: Any = self._redis.hgetall(page.key)
        seen = found.pop(_SEEN, None) is not None
        horizon = time.time() - KEPT
        marks = []
        for sid, mark in found.items():
            written_at, _, position = mark.partition(" ")
            if float(written_at) >= horizon:
                marks.append((Cursor.decode(position), sid))
            else:
                self._redis.hdel(page.key, sid)
        for cursor, sid in sorted(marks, key=lambda mark: sum(mark[0].positions.values())):
            if self._redis.hdel(page.key, sid):
                return True, cursor
        return seen, None

    def _write(self, marks: Sequence[tuple[str, _Page, Cursor | None]]) -> bool:
        if not self._breaker.allows():
            return False
        now = time.time()
        pipeline = self._redis.pipeline(transaction=False)
        for sid, page, cursor in marks:
            if cursor is None:
                pipeline.hdel(page.key, sid, *([_SEEN] if page.goodbye else []))
            else:
                pipeline.hset(page.key, mapping={_SEEN: 1, sid: f"{now:.3f} {cursor.encode()}"})
            # With another token the client would not find it.
            pipeline.expireat(page.key, page.expires_at)
        try:
            pipeline.execute()
        except UNAVAILABLE as error:
            self._failed(error)
            return False
        self._breaker.succeeded()
        for _, page, cursor in marks:
            page.written, page.written_at = cursor, time.monotonic()
        return True

    def _failed(self, error: Exception) -> None:
        if self._breaker.failed():
            log.warning("positions are not kept", extra={"error": type(error).__name__})


def _position(session: Session) -> Cursor:
    with session.lock:
        return session.progress.cursor()
