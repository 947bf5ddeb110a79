"""Sends one connection what it has missed, from the log: at its start, page by page, and after a gap."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from actions.installation import Installation
from actions.problems import Problem
from actions.users import admit_user
from models.events.log import Replay, cursor_at, heads_in, read_rooms
from models.events.user_rooms import UserRooms, rooms_of
from models.polling.queries import acknowledged
from models.sql.engine import read
from models.timestamps import iso
from web.dialects.render import render, skipped
from web.realtime import metrics
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.limits import MAX_BACKLOG
from web.realtime.replay.progress import ResumeRequest
from web.realtime.timing import Timing
from web.realtime.transport.wire import event_packet

SESSION_READY = "session:ready"
SESSION_RESUMED = "session:resumed"
SESSION_RESYNC = "session:resync"

# Pages that one healing sends at most before other connections are served.
_MAX_PAGES = 25
# How often a replay looks again for events that were published while it read, before it stops following a busy room.
_MAX_LOOKS = 20

# The interval suggested to clients that have to poll: the one that clients of seed S1 use.
_POLL_INTERVAL_MS = 10_000


@dataclass(frozen=True, slots=True)
class Served:
    """The result of a replay. `complete` False: some events are gone, and the client has to fetch its state again."""

    replayed: int = 0
    complete: bool = True
    more: bool = False


class Replayer:
    """Reads the log for single connections. Called from any thread; a connection has one replay at a time."""

    def __init__(
        self,
        installation: Installation,
        sessions: Sessions,
        timing: Timing,
        on_page: Callable[[Session], None] = lambda _session: None,
    ) -> None:
        self._installation = installation
        self._sessions = sessions
        self._engine = installation.engine
        self._timing = timing
        # Called after every page.
        self._on_page = on_page

    def welcome(self, session: Session) -> Served | None:
        """Send the first page of what was missed, and `session:ready`. None if that was done before.

        Raises UNAVAILABLE without the database. Then live events stay held back, and the caller has to try again.
        """
        with session.serving:
            if session.ready:
                return None

            def ready(served: Served) -> None:
                session.ready = True
                session.emit(SESSION_READY, self._ready(session, served))
                if session.resumed:
                    for packet in session.view.translate(SESSION_RESUMED, outcome(served)):
                        session.emit(*packet)

            with _LiveEventsHeld(session, self._timing.retry):
                start = self._start(session)
                return self._serve(session, start, 1, self._timing.paging, ready)

    def next_page(self, session: Session, resume: ResumeRequest | None) -> tuple[Served, dict[str, Any]]:
        """Send one page, from the client's own position if it sends one. Returns the answer to the client as well."""
        answer: dict[str, Any] = {}

        def remember(served: Served) -> None:
            answer.update(position(session), **outcome(served))

        with session.serving, _LiveEventsHeld(session, self._timing.retry):
            if resume is not None:
                with session.lock:
                    positions = _placed(session, resume.positions)
                    session.progress.start(resume.epoch or session.progress.epoch, positions, resume.mark)
            return self._serve(session, Served(), 1, self._timing.paging, remember), answer

    def heal(self, session: Session) -> Served:
        """Send all missing events. If some are gone, send session:resync: the client has to fetch its state again."""

        def announce(served: Served) -> None:
            if not served.complete:
                session.emit(SESSION_RESYNC, position(session) | outcome(served))

        with session.serving, _LiveEventsHeld(session, self._timing.retry):
            return self._serve(session, Served(), _MAX_PAGES, self._timing.tick, announce)

    def _start(self, session: Session) -> Served:
        resume = session.resume
        with read(self._engine) as connection:
            # It joins its rooms here, and the page after this is read later.
            own = rooms_of(connection, session.tenant, session.user)
            self._sessions.fit(session, own.conversations)
            # Such a client also has what it has fetched by polling meanwhile.
            has = acknowledged(connection, session.tenant, session.user) if session.resumed else {}
        if session.user_room not in own.places:
            # If the tenant has no room for one more user, only what goes to all of its pages reaches this one.
            with suppress(Problem):
                admit_user(self._installation, session.principal)
        head = cursor_at(own, heads_in(own))
        given = {} if resume.lost else _placed(session, resume.positions)
        given = {room: max(seq, has.get(room, 0)) for room, seq in given.items()}
        if resume.lost or resume.mark is None:
            positions, mark = {**head.positions, **given}, head.mark
        else:
            positions, mark = {**{room: head.positions[room] for room in session.own_rooms}, **given}, resume.mark
        with session.lock:
            session.progress.start(head.epoch if resume.lost else resume.epoch or head.epoch, positions, mark)
        return Served(complete=not resume.lost)

    def _rooms(self, connection: Connection, session: Session) -> UserRooms:
        """The rooms of the session's user. It has joined them before their heads were read."""
        session.rooms_changed = False
        own = rooms_of(connection, session.tenant, session.user)
        while self._sessions.fit(session, own.conversations):
            own = rooms_of(connection, session.tenant, session.user)
        return own

    def _serve(
        self, session: Session, served: Served, pages: int, wait: float, announce: Callable[[Served], None]
    ) -> Served:
        """Send up to `pages` full pages. If that is not all, the janitor continues after `wait` seconds."""
        for _ in range(pages + _MAX_LOOKS):
            if session.backlog() >= MAX_BACKLOG:
                wait = self._timing.tick
                break
            page = self._read(session)
            served = Served(served.replayed + _emit(session, page), served.complete and page.complete)
            with session.lock:
                session.progress.reach(page)
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
        self._on_page(session)
        return served

    def _read(self, session: Session) -> Replay:
        with read(self._engine) as connection:
            own = self._rooms(connection, session)
            return read_rooms(connection, own, session.progress.known(), self._installation.now())

    def _ready(self, session: Session, served: Served) -> dict[str, Any]:
        return {
            "user": session.user,
            "tenant": session.tenant,
            "rooms": list(session.own_rooms),
            "dialect": session.view.dialect,
            **position(session),
            **outcome(served),
            "exp": int(session.expires_at.timestamp()),
            "poll_interval_ms": _POLL_INTERVAL_MS,
            # Random, so that the clients of a process that ends do not all reconnect at once.
            "reconnect_after_ms": random.randint(500, 5000),  # noqa: S311
            "server_time": iso(self._installation.now()),
        }


class _LiveEventsHeld:
    """Holds live events of a session back while the block runs. If it raises, the janitor tries again."""

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
    """Return the connection's position, for the client to keep."""
    cursor = session.progress.cursor()
    return {
        "epoch": cursor.epoch,
        "seq": cursor.positions[session.user_room],
        "positions": dict(cursor.positions),
        "cursor": cursor.encode(),
    }


def outcome(served: Served) -> dict[str, Any]:
    """Return the result of a replay, for the client."""
    return {"replayed": served.replayed, "complete": served.complete, "more": served.more}


def _count(served: Served) -> None:
    metrics.REPLAYED.inc(served.replayed)
    if not served.complete:
        metrics.INCOMPLETE.inc()


def _emit(session: Session, page: Replay) -> int:
    """Send a page; returns the number of events. Numbers without an event are sent as skipped."""
    if not page.complete:
        return 0
    expected = {room: seq + 1 for room, seq in page.starts.items()}
    sent = 0
    for event in page.events:
        _skip(session, event.room, expected[event.room], event.seq - 1)
        expected[event.room] = event.seq + 1
        if not session.progress.was_sent(event.room, event.seq):
            sent += _put(session, *render(event))
    _skip_rest(session, expected, page.positions)
    return sent


def _skip_rest(session: Session, expected: Mapping[str, int], reached: Mapping[str, int]) -> None:
    for room, first in expected.items():
        _skip(session, room, first, reached.get(room, 0))


def _skip(session: Session, room: str, first: int, last: int) -> None:
    if first <= last:
        _put(session, *skipped(room, first, last))


def _placed(session: Session, positions: Mapping[str, int]) -> dict[str, int]:
    """The positions in rooms of the session; a client can name any others."""
    return {room: seq for room, seq in positions.items() if room in session.rooms}


def _put(session: Session, event: str, payload: dict[str, Any]) -> bool:
    """Send an event. False if the session's dialect has no name for it."""
    named = session.view.translate(event, payload)
    for name, members in named:
        session.put(event_packet(session.namespace, name, members))
    return bool(named)
