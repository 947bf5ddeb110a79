"""The positions of clients that do not keep their own, stored in Redis while they reconnect.

A client that keeps its position sends it when it reconnects. Other clients reconnect with the same token. So their
position is stored by token and namespace, and a client that reconnects soon continues from there. Where the position
is not known, the client is told that something may be missing. A web process that is killed has not stored the last
moment, so its clients may receive the events of that moment twice, with the same ids.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from socketio import Server

from bus.redis import UNAVAILABLE, connect
from models.events.cursor import Cursor
from web.realtime.gateway.sessions import Session
from web.realtime.replay.progress import ResumeRequest

log = logging.getLogger(__name__)

# How long (seconds) a client continues from the position of an interrupted connection: through a restart or a gap in
# coverage. After a longer absence it is told to fetch what it shows.
KEPT = 300.0
# How often (seconds) an open connection's position is written again, so that it does not count as ended.
_RENEW = 20.0
# A position that was given to one client stays for this long (seconds) after it was written. Its connection may have
# been open all the time, in another tab: then it is written again within that time, and until then it must not be lost.
_GIVEN = _RENEW + 5.0
# Positions that are written in one pipeline.
_STEP = 200
# Seconds between two writes: at least and, while events are sent, at most. Within these bounds it is this many times as
# long as the last write took.
_MIN_INTERVAL = 0.05
_MAX_INTERVAL = 1.0
_IDLE_FACTOR = 9

# By the clock of Redis, as all times here: web processes on several machines compare them.
_NOW = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local stamp = string.format('%.3f', now)
"""
# Opens a connection in one step: takes the position of an interrupted one, and notes that this one is open. The hash
# has a field for each connection: "<time> <state> <progress> <position>". The states, in the order in which positions
# are taken: 0 was written by its connection, 1 is that of a connection that has just been opened, and 2 has been given
# to a client. Among equals, the one that is furthest behind is taken, so that nobody misses anything. Returns since
# when Redis has positions, the age of the position in seconds, and the position.
_OPEN = (
    _NOW
    + """
local sid, expires, given_for = ARGV[1], ARGV[2], tonumber(ARGV[3])
redis.call('SET', KEYS[2], stamp, 'NX')
local best
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  local at, state, progress, position = string.match(fields[i + 1], '^(%S+) (%d) (%d+) (%S+)$')
  local found = {sid = fields[i], at = at, state = tonumber(state), progress = tonumber(progress), position = position}
  -- Others may write to Redis: what is no position is removed.
  if not tonumber(at) or (found.state == 2 and now - at > given_for) then
    redis.call('HDEL', KEYS[1], found.sid)
  elseif not best or found.state < best.state or (found.state == best.state and found.progress < best.progress) then
    best = found
  end
end
local opened = '0 ?'
if best then
  opened = string.format('%.0f %s', best.progress, best.position)
  redis.call('HSET', KEYS[1], best.sid, best.at .. ' 2 ' .. opened)
end
redis.call('HSET', KEYS[1], sid, stamp .. ' 1 ' .. opened)
redis.call('EXPIREAT', KEYS[1], expires)
return {redis.call('GET', KEYS[2]), best and tostring(now - best.at) or '', best and best.position or '',
  string.format('%.0f', best and best.progress or 0)}
"""
)
_WRITE = _NOW + "redis.call('HSET', KEYS[1], ARGV[1], stamp .. ' 0 ' .. ARGV[2])"
_BEGIN = _NOW + "redis.call('SET', KEYS[1], stamp, 'NX')"
# In place of a position: a connection that was opened, and whose position has not been written yet.
_UNKNOWN = "?"


class _Mark(NamedTuple):
    """A position, and the sum of its numbers in all rooms, by which positions are compared."""

    cursor: Cursor
    progress: int


@dataclass(slots=True)
class _Page:
    """A connection of a client that does not keep its position."""

    key: str
    expires_at: datetime
    written: _Mark | None = None
    written_at: float = 0.0
    # (time, position), for connections whose end was noticed late.
    earlier: deque[tuple[float, _Mark]] = field(default_factory=lambda: deque(maxlen=16))


class Bookmarks:
    """The positions of this process's connections. Calls to Redis take bounded time and never raise."""

    def __init__(self, redis_url: str, channel: str, patience: float) -> None:
        """`patience`: seconds after which a connection that does not answer counts as ended."""
        self._redis = connect(redis_url, text=True)
        self._open = self._redis.register_script(_OPEN)
        self._prefix = f"{channel}:position:"
        self._patience = patience
        self._lock = threading.Lock()
        self._pages: dict[str, tuple[Session, _Page]] = {}
        self._bell = threading.Event()
        self._stopped = False

    def open(self, session: Session, token: str, issued_at: datetime) -> None:
        """Continue from where the client was interrupted, if it was. For clients that keep no position.

        `issued_at` is the token's. Where it is not known whether the client was interrupted, something may be missing.
        """
        page = _Page(self._key(session, token), session.expires_at)
        session.resume, mark = self._interrupted(session.sid, page, issued_at)
        session.resumed = session.resume != ResumeRequest()
        if mark is not None:
            page.written = mark
            page.earlier.append((time.monotonic(), mark))
        with self._lock:
            self._pages[session.sid] = session, page

    def renamed(self, session: Session, token: str) -> None:
        """The client has another token now, and will present that one when it reconnects."""
        with self._lock:
            _, page = self._pages.get(session.sid, (None, None))
        if page is None:
            return
        known = page.written
        self._write([(session.sid, page, None)])
        page.key, page.expires_at = self._key(session, token), session.expires_at
        if known is not None:
            self._write([(session.sid, page, known)])
        self.moved()

    def close(self, session: Session, reason: str) -> None:
        """Store the position of a connection that has ended. `reason` is Socket.IO's."""
        with self._lock:
            _, page = self._pages.pop(session.sid, (None, None))
        if page is None:
            return
        if reason == Server.reason.CLIENT_DISCONNECT or not (session.ready or page.written):
            # A client that says goodbye was not interrupted, and one that was never served has missed nothing.
            self._write([(session.sid, page, None)])
            return
        mark = self._received(session, page, reason)
        # Without one, the field that `open` wrote stays.
        if mark is not None and not self._stopped:
            self._write([(session.sid, page, mark)])

    def stop(self) -> None:
        """Write all positions for the last time, before the process closes its connections.

        After that, events that are sent may go to connections that are closed already, so they do not count.
        """
        if not self._stopped:
            self.turn(time.monotonic())
            self._stopped = True

    def moved(self) -> None:
        """Note that positions have changed."""
        self._bell.set()

    def run(self) -> None:
        """Run for ever."""
        # Before a client comes: a token that is issued from now on was not used before.
        with suppress(*UNAVAILABLE):
            self._redis.eval(_BEGIN, 1, f"{self._prefix}since")
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
        if self._stopped:
            return
        with self._lock:
            pages = list(self._pages.items())
        due: list[tuple[str, _Page, _Mark]] = []
        for sid, (session, page) in pages:
            if not _is_received(session):
                continue
            mark = _position(session)
            renew = now - page.written_at >= _RENEW
            if renew:
                page.earlier.append((now, mark))
            if renew or mark != page.written:
                due.append((sid, page, mark))
        for start in range(0, len(due), _STEP):
            if not self._write(due[start : start + _STEP]):
                return

    def _key(self, session: Session, token: str) -> str:
        digest = hashlib.sha256(token.encode()).hexdigest()[:32]
        return f"{self._prefix}{session.tenant}:{session.namespace}:{digest}"

    def _interrupted(self, sid: str, page: _Page, issued_at: datetime) -> tuple[ResumeRequest, _Mark | None]:
        """Note that a connection is open. Returns what it continues from, and the position if that is known."""
        unknown = ResumeRequest(lost=True), None
        arguments: list[str | int | float] = [sid, int(page.expires_at.timestamp()), _GIVEN]
        try:
            found: Any = self._open(keys=[page.key, f"{self._prefix}since"], args=arguments)
        except UNAVAILABLE as error:
            log.warning("positions are not kept", extra={"error": type(error).__name__})
            return unknown
        since, age, position, progress = found
        try:
            if not position:
                # The first connection with this token, unless Redis has been emptied since the token was issued. Tokens
                # are issued in whole seconds.
                return (ResumeRequest(), None) if issued_at.timestamp() >= int(float(since)) else unknown
            if position == _UNKNOWN or float(age) > KEPT:
                return unknown
            cursor = Cursor.decode(position)
        except (ValueError, OverflowError):
            # Others may write to Redis.
            return unknown
        return ResumeRequest(cursor.epoch, cursor.positions, mark=cursor.mark), _Mark(cursor, int(progress))

    def _received(self, session: Session, page: _Page, reason: str) -> _Mark | None:
        """The last position that a client whose connection has ended surely has. None: it is not known."""
        if reason == Server.reason.PING_TIMEOUT:
            # The client has received nothing for that long.
            horizon = time.monotonic() - self._patience
            earlier = next((position for at, position in reversed(page.earlier) if at <= horizon), None)
            return earlier or (page.earlier[0][1] if page.earlier else page.written)
        return _position(session) if _is_received(session) else page.written

    def _write(self, marks: Sequence[tuple[str, _Page, _Mark | None]]) -> bool:
        pipeline = self._redis.pipeline(transaction=False)
        for sid, page, mark in marks:
            if mark is None:
                pipeline.hdel(page.key, sid)
            else:
                pipeline.eval(_WRITE, 1, page.key, sid, f"{mark.progress} {mark.cursor.encode()}")
            # With another token the client would not find it.
            pipeline.expireat(page.key, page.expires_at)
        try:
            pipeline.execute()
        except UNAVAILABLE as error:
            log.warning("positions are not kept", extra={"error": type(error).__name__})
            return False
        for _, page, mark in marks:
            page.written, page.written_at = mark, time.monotonic()
        return True


def _is_received(session: Session) -> bool:
    """Whether everything up to its position was written to the network."""
    return session.ready and not session.backlog() and not session.broken()


def _position(session: Session) -> _Mark:
    with session.lock:
        return _Mark(session.progress.cursor(), sum(session.progress.positions.values()))
