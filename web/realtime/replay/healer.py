"""Finds events that were lost between the log and a connection, and sends them without being asked."""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Iterable, Mapping

from sqlalchemy import Engine

from bus.envelope import room_name
from models.events.commit_order import horizon
from models.events.log import conversations_since, heads_of
from models.events.user_rooms import epoch
from models.sql.engine import UNAVAILABLE, read
from web.realtime import metrics
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.replay.replayer import Replayer
from web.realtime.timing import Timing

log = logging.getLogger(__name__)


class Healer:
    """One background task for the process. It serves one connection at a time, which bounds the load on the database.

    A publish can be lost with Redis, between two subscriptions, or with the worker. Every `timing.heads` seconds the
    positions of all connections are compared with the heads of their rooms.
    """

    def __init__(self, engine: Engine, sessions: Sessions, replayer: Replayer, timing: Timing) -> None:
        self._engine = engine
        self._sessions = sessions
        self._replayer = replayer
        self._timing = timing
        # None: compare the heads now.
        self._queue: queue.Queue[Session | None] = queue.Queue()

    def ask(self, session: Session) -> None:
        """Serve this session soon."""
        self._queue.put(session)

    def look_soon(self) -> None:
        """Compare the heads soon, without waiting for the interval to end."""
        self._queue.put(None)

    def run(self) -> None:
        """Run for ever."""
        next_look = time.monotonic() + self._timing.heads
        while True:
            session: Session | None = None
            try:
                session = self._queue.get(timeout=max(0.01, next_look - time.monotonic()))
            except queue.Empty:
                pass
            else:
                if session is not None:
                    self.serve(session)
                    continue
            next_look = time.monotonic() + self._timing.heads
            try:
                self.look()
            except UNAVAILABLE as error:
                log.warning("heads not read", extra={"error": type(error).__name__})
            except Exception:
                log.exception("heads not read")

    def look(self) -> int:
        """Compare all positions with the heads, and heal the connections that differ. Returns how many did.

        A connection is ahead of the log if the database has gone back to an earlier state. Of conversations only those
        are compared in which something has happened since the marks of the connections.
        """
        live = [session for session in self._sessions.all() if session.ready and session.progress.live]
        if not live:
            return 0
        # From before the heads are read: what has been sent by then is in the log.
        sent = {session: {room: session.progress.positions[room] for room in session.own_rooms} for session in live}
        for session in live:
            with session.lock:
                session.progress.look()
        marks = [session.progress.mark for session in live if session.progress.mark is not None]
        with read(self._engine) as connection:
            present, mark = epoch(connection), horizon(connection)
            heads = heads_of(connection, {(session.tenant, room) for session in live for room in session.own_rooms})
            moved = conversations_since(connection, min(marks)) if marks else []
        own = {session: {room: heads.get((session.tenant, room), 0) for room in session.own_rooms} for session in live}
        beyond: dict[Session, list[str]] = {session: [] for session in live}
        for one in moved:
            here = self._sessions.members(room_name(one.tenant, one.room))
            for session in own.keys() & set(here):
                own[session][one.room] = one.head
                if one.mark >= mark:
                    beyond[session].append(one.room)
        behind = [session for session in live if session.progress.behind(present, own[session])]
        if behind:
            # Most of these events are committed, and published a moment later.
            time.sleep(self._timing.grace)
            behind = [session for session in behind if session.progress.behind(present, own[session])]
        behind += [session for session in live if any(seq > own[session][room] for room, seq in sent[session].items())]
        self._settle(set(live) - set(behind), mark, beyond)
        for session in dict.fromkeys(behind):
            # If it is not live any more, another replay of it has begun.
            if session.progress.live:
                self.serve(session, is_behind=True)
        return len(set(behind))

    def _settle(self, sessions: Iterable[Session], mark: int, beyond: Mapping[Session, list[str]]) -> None:
        for session in sessions:
            with session.lock:
                if session.progress.live:
                    session.progress.settle(mark, beyond[session])

    def serve(self, session: Session, is_behind: bool = False) -> None:
        """Send the session what it is missing. Does not raise."""
        if self._sessions.get(session.sid) is not session:
            return
        try:
            if not session.ready:
                self._replayer.welcome(session)
            elif is_behind or session.rooms_changed or session.progress.gap or not session.progress.live:
                served = self._replayer.heal(session)
                metrics.HEALED.inc()
                log.info("healed", extra={"session": session.sid, "replayed": served.replayed})
        except UNAVAILABLE as error:
            log.warning("not served", extra={"session": session.sid, "error": type(error).__name__})
        except Exception:
            log.exception("not served", extra={"session": session.sid})
