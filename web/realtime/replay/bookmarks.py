"""Where clients that keep no position of their own had come when their connection ended.

A conforming client names its position when it comes back. Those of the systems before this one do not; they show the
token that they showed before, so their position is kept for them in Redis, by token and namespace, and whoever comes
back soon goes on from there. Nothing is promised by it: Redis may forget, and a web process that is killed has not
written down its last moments, which are then told twice, under the same ids.
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

# So long (seconds) a position is kept for whoever was interrupted: a restart, a dead spot. Who is away for longer opens
# the page anew, or asks for what it shows.
KEPT = 300.0
# An open connection's position is written again so often (seconds), so that it is not taken for one that has ended.
_RENEW = 20.0
# Positions that are written in one go.
_STEP = 200
# Between two writings (seconds): at least, at most while somebody is told something, and within these bounds so many
# times what the last one took.
_CLOSE = 0.05
_FAR = 1.0
_IDLE = 9
# After a failure Redis is not asked for this long (seconds): a handshake waits for it.
_OPEN_SECONDS = 5.0

# The field that says that this token was seen here before.
_SEEN = "seen"


@dataclass(slots=True)
class _Page:
    """A connection of such a client."""

    key: str
    expires_at: datetime
    written: Cursor | None = None
    written_at: float = 0.0
    # (when, where), for connections that were dead long before anybody noticed.
    earlier: deque[tuple[float, Cursor]] = field(default_factory=lambda: deque(maxlen=16))


class Bookmarks:
    """The positions of this process's connections. What it does to Redis takes bounded time and never raises."""

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
        """A client has come that names no position: let it go on where it was interrupted, if it was."""
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
            session.wish = ResumeRequest(cursor.epoch, cursor.positions)
            page.written = cursor
            page.earlier.append((time.monotonic(), cursor))
        with self._lock:
            self._pages[session.sid] = session, page

    def close(self, session: Session, reason: str) -> None:
        """The connection has ended, for a reason as the library has it."""
        with self._lock:
            _, page = self._pages.pop(session.sid, (None, None))
        now = time.monotonic()
        if page is None:
            return
        # One that ends before it was served, or while something waits to be sent, goes on from where it was.
        cursor = _position(session) if session.ready and session.backlog() == 0 else page.written
        if reason == Server.reason.PING_TIMEOUT:
            # It had heard nothing for a while.
            cursor = next((where for when, where in reversed(page.earlier) if when <= now - self._patience), None)
        elif reason == Server.reason.CLIENT_DISCONNECT:
            # Whoever says goodbye was not interrupted.
            cursor = None
        self._write([(session.sid, page, cursor)])

    def moved(self) -> None:
        """Something was told to somebody."""
        self._bell.set()

    def run(self) -> None:
        """Work for ever."""
        while True:
            self._bell.wait(_RENEW / 4)
            self._bell.clear()
            began = time.monotonic()
            try:
                self.turn(began)
            except Exception:
                log.exception("positions are not kept")
            time.sleep(min(_FAR, max(_CLOSE, _IDLE * (time.monotonic() - began))))

    def turn(self, now: float) -> None:
        """Write down where everybody has come."""
        with self._lock:
            pages = list(self._pages.items())
        due: list[tuple[str, _Page, Cursor]] = []
        for sid, (session, page) in pages:
            # What waits to be sent was not heard.
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
        """Whether the token was seen before, and the position that was interrupted first; nobody else gets that one."""
        found: Any = self._redis.hgetall(page.key)
        seen = found.pop(_SEEN, None) is not None
        horizon = time.time() - KEPT
        marks = []
        for sid, mark in found.items():
            when, _, where = mark.partition(" ")
            if float(when) >= horizon:
                marks.append((Cursor.decode(where), sid))
            else:
                self._redis.hdel(page.key, sid)
        for cursor, sid in sorted(marks, key=lambda mark: sum(mark[0].positions.values())):
            if self._redis.hdel(page.key, sid):
                return seen, cursor
        return seen, None

    def _write(self, marks: Sequence[tuple[str, _Page, Cursor | None]]) -> bool:
        if not self._breaker.allows():
            return False
        now = time.time()
        pipeline = self._redis.pipeline(transaction=False)
        for sid, page, cursor in marks:
            if cursor is None:
                pipeline.hdel(page.key, sid)
            else:
                pipeline.hset(page.key, mapping={_SEEN: 1, sid: f"{now:.3f} {cursor.encode()}"})
            # With another token it is somebody else.
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
