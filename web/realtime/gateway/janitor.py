"""Periodic work: expired tokens, clients that never authenticate, connections whose replay has to continue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.limits import LOW_BACKLOG
from web.realtime.payloads import Code
from web.realtime.replay.healer import Healer
from web.realtime.timing import Timing
from web.realtime.transport.closing import end

log = logging.getLogger(__name__)

SESSION_EXPIRING = "session:expiring"


class Janitor:
    """One background task for the process, instead of a timer for each client."""

    def __init__(
        self,
        server: Any,
        sessions: Sessions,
        healer: Healer,
        close: Callable[[Session, Code, str], None],
        timing: Timing,
    ) -> None:
        self._server = server
        self._sessions = sessions
        self._healer = healer
        self._close = close
        self._timing = timing
        # Engine.IO connections without a session, by id, and since when they have none.
        self._unauthenticated: dict[str, float] = {}

    def run(self) -> None:
        """Run for ever."""
        while True:
            self._server.sleep(self._timing.tick)
            try:
                self.tick(time.monotonic(), datetime.now(UTC))
            except Exception:
                log.exception("tick failed")

    def tick(self, now: float, time_of_day: datetime) -> None:
        """Check every connection once."""
        for session in self._sessions.all():
            if session.socket.closed:
                self._forget(session)
            elif session.expires_at <= time_of_day:
                self._close(session, "token_expired", "the token has expired")
            else:
                self._warn(session, time_of_day)
                self._resume(session, now)
        self._close_unauthenticated(now)

    def _forget(self, session: Session) -> None:
        # A connection that broke during its handshake: the library does not report those.
        self._sessions.remove(session.sid)
        self._server.manager.disconnect(session.sid, session.namespace, ignore_queue=True)

    def _warn(self, session: Session, time_of_day: datetime) -> None:
        left = (session.expires_at - time_of_day).total_seconds()
        if left <= self._timing.expiring and not session.warned and session.ready:
            session.warned = True
            session.emit(SESSION_EXPIRING, {"exp": int(session.expires_at.timestamp()), "expires_in": int(left)})

    def _resume(self, session: Session, now: float) -> None:
        if session.progress.live:
            due = session.gap_since is not None and now - session.gap_since > self._timing.gap
        else:
            due = now >= session.resume_at and session.backlog() <= LOW_BACKLOG
        if due:
            session.gap_since = None
            session.resume_at = float("inf")
            self._healer.ask(session)

    def _close_unauthenticated(self, now: float) -> None:
        sockets = dict(self._server.eio.sockets)
        known = {id(session.socket) for session in self._sessions.all()}
        self._unauthenticated = {
            sid: self._unauthenticated.get(sid, now) for sid, socket in sockets.items() if id(socket) not in known
        }
        for sid, since in self._unauthenticated.items():
            if now - since > self._timing.handshake:
                end(self._server.eio, sockets[sid])
