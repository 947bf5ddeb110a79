"""From the log to one connection: the beginning, the next page, and what was lost on the way."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from actions.installation import Installation
from actions.users import admit_user
from models.events.log import Replay, heads, read_after
from models.polling.queries import acknowledged
from models.sql.engine import read
from models.timestamps import iso
from models.users.queries import find_user
from web.dialects.render import render, skipped
from web.realtime import metrics
from web.realtime.gateway.sessions import Session
from web.realtime.limits import MAX_BACKLOG
from web.realtime.replay.progress import ResumeRequest
from web.realtime.timing import Timing
from web.realtime.transport.wire import event_packet

SESSION_READY = "session:ready"
SESSION_RESUMED = "session:resumed"
SESSION_RESYNC = "session:resync"

# Pages that one healing sends at most before somebody else has a turn.
_PAGES = 25
# Times that a replay looks again for what was published while it read, before it gives up to catch a busy room.
_LOOKS = 20

# What a client is advised that has to poll: the interval that seed S1's clients use.
_POLL_INTERVAL_MS = 10_000


@dataclass(frozen=True, slots=True)
class Served:
    """How a replay ended. `complete` False: part of what was missed is gone, the client has to fetch its state anew."""

    replayed: int = 0
    complete: bool = True
    more: bool = False


class Replayer:
    """Reads the log for single connections. Called from any thread; each connection is served once at a time."""

    def __init__(
        self, installation: Installation, timing: Timing, after: Callable[[Session], None] = lambda _session: None
    ) -> None:
        self._installation = installation
        self._engine = installation.engine
        self._timing = timing
        # Told of every page.
        self._after = after

    def welcome(self, session: Session) -> Served | None:
        """Send what was missed before the connection, one page of it, and `session:ready`. None if that was done.

        Raises where the database is away; live events stay held back, and somebody has to call again.
        """
        with session.serving:
            if session.ready:
                return None

            def ready(served: Served) -> None:
                session.ready = True
                session.emit(SESSION_READY, self._ready(session, served))
                if session.resumed:
                    for packet in session.view.told(SESSION_RESUMED, outcome(served)):
                        session.emit(*packet)

            with _Held(session, self._timing.retry):
                start = self._start(session)
                return self._serve(session, start, 1, self._timing.paging, ready)

    def next_page(self, session: Session, wish: ResumeRequest | None) -> tuple[Served, dict[str, Any]]:
        """Send one page, from the client's own position if it names one. Returns the answer to the client as well."""
        answer: dict[str, Any] = {}

        def remember(served: Served) -> None:
            answer.update(position(session), **outcome(served))

        with session.serving, _Held(session, self._timing.retry):
            if wish is not None:
                with session.lock:
                    session.progress.start(wish.epoch or session.progress.epoch, wish.positions)
            return self._serve(session, Served(), 1, self._timing.paging, remember), answer

    def heal(self, session: Session) -> Served:
        """Send everything that is missing. A client that cannot be given all of it is told to fetch its state anew."""

        def tell(served: Served) -> None:
            if not served.complete:
                session.emit(SESSION_RESYNC, position(session) | outcome(served))

        with session.serving, _Held(session, self._timing.retry):
            return self._serve(session, Served(), _PAGES, self._timing.tick, tell)

    def _start(self, session: Session) -> Served:
        wish = session.wish
        with read(self._engine) as connection:
            head = heads(connection, session.tenant, session.rooms)
            # What such a client has polled for meanwhile it has.
            has = acknowledged(connection, session.tenant, session.user, session.rooms) if session.resumed else {}
            unknown = not head.positions[session.user_room] and not find_user(connection, session.tenant, session.user)
        if unknown:
            admit_user(self._installation, session.principal)
        positions = {room: head.positions.get(room, 0) for room in session.rooms}
        if not wish.lost:
            positions |= {room: max(seq, has.get(room, 0)) for room, seq in wish.positions.items() if room in positions}
        with session.lock:
            session.progress.start(head.epoch if wish.lost else wish.epoch or head.epoch, positions)
        return Served(complete=not wish.lost)

    def _serve(
        self, session: Session, served: Served, pages: int, wait: float, announce: Callable[[Served], None]
    ) -> Served:
        """Send up to `pages` full pages. If that is not all, the connection is looked after again in `wait` seconds."""
        for _ in range(pages + _LOOKS):
            if session.backlog() >= MAX_BACKLOG:
                wait = self._timing.tick
                break
            page = self._read(session)
            served = Served(served.replayed + _emit(session, page), served.complete and page.complete)
            with session.lock:
                session.progress.reach(page.cursor)
                # Under the lock: the first live event must not come before the announcement.
                if not page.more and session.progress.release():
                    return self._end(session, served, announce)
            pages -= page.more
            if not pages:
                break
        served = replace(served, more=True)
        session.resume_at = time.monotonic() + wait
        return self._end(session, served, announce)

    def _end(self, session: Session, served: Served, announce: Callable[[Served], None]) -> Served:
        _count(served)
        announce(served)
        self._after(session)
        return served

    def _read(self, session: Session) -> Replay:
        cursor = session.progress.cursor()
        with read(self._engine) as connection:
            return read_after(connection, session.tenant, session.rooms, cursor, datetime.now(UTC))

    def _ready(self, session: Session, served: Served) -> dict[str, Any]:
        return {
            "user": session.user,
            "tenant": session.tenant,
            "rooms": list(session.rooms),
            "dialect": session.view.dialect,
            **position(session),
            **outcome(served),
            "exp": int(session.expires_at.timestamp()),
            "poll_interval_ms": _POLL_INTERVAL_MS,
            # Spread, so that clients of a process that ends do not all come back at once.
            "reconnect_after_ms": random.randint(500, 5000),  # noqa: S311
            "server_time": iso(datetime.now(UTC)),
        }


class _Held:
    """While the block runs, live events of the session are held back; if it raises, it is looked after later."""

    def __init__(self, session: Session, retry: float) -> None:
        self._session = session
        self._retry = retry

    def __enter__(self) -> None:
        with self._session.lock:
            self._session.hold(float("inf"))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._session.resume_at = time.monotonic() + self._retry


def position(session: Session) -> dict[str, Any]:
    """Where the connection is, for the client to keep."""
    cursor = session.progress.cursor()
    return {
        "epoch": cursor.epoch,
        "seq": cursor.positions[session.user_room],
        "positions": dict(cursor.positions),
        "cursor": cursor.encode(),
    }


def outcome(served: Served) -> dict[str, Any]:
    """What became of a replay, for the client."""
    return {"replayed": served.replayed, "complete": served.complete, "more": served.more}


def _count(served: Served) -> None:
    metrics.REPLAYED.inc(served.replayed)
    if not served.complete:
        metrics.INCOMPLETE.inc()


def _emit(session: Session, page: Replay) -> int:
    """Send a page; returns how many events. Every number up to its cursor is sent, or said to hold nothing."""
    if not page.complete:
        return 0
    expected = {room: seq + 1 for room, seq in session.progress.positions.items()}
    sent = 0
    for event in page.events:
        _skip(session, event.room, expected[event.room], event.seq - 1)
        expected[event.room] = event.seq + 1
        if not session.progress.was_sent(event.room, event.seq):
            sent += _put(session, *render(event))
    _skip_rest(session, expected, page.cursor.positions)
    return sent


def _skip_rest(session: Session, expected: Mapping[str, int], reached: Mapping[str, int]) -> None:
    for room, first in expected.items():
        _skip(session, room, first, reached.get(room, 0))


def _skip(session: Session, room: str, first: int, last: int) -> None:
    if first <= last:
        _put(session, *skipped(room, first, last))


def _put(session: Session, event: str, payload: dict[str, Any]) -> bool:
    """Tell the connection; False where its dialect has no name for such an event."""
    told = session.view.told(event, payload)
    for one in told:
        session.put(event_packet(session.namespace, *one))
    return bool(told)
