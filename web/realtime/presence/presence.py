"""Presence: connections are reported to Redis, and changes are announced to the tenant.

Presence is best effort. Its events have no numbers and are not replayed, and no delivery depends on it. It survives the
loss of Redis and of a web process.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from bus.presence import MAX_ASKED, STEP, Away, Leases, Report, Status
from web.realtime.gateway.sessions import Session
from web.realtime.payloads import Refused, parse
from web.realtime.timing import Timing

log = logging.getLogger(__name__)

# Reports within this time (seconds) go to Redis together.
_BATCH_SECONDS = 0.1

# A user's connection, whatever number of namespaces it has: tenant, user, Engine.IO's id.
Seat = tuple[str, str, str]


class Choice(BaseModel):
    """`presence:set`"""

    model_config = ConfigDict(extra="forbid")

    status: Status


class Question(BaseModel):
    """`presence:list`"""

    model_config = ConfigDict(extra="forbid")

    users: Annotated[list[Annotated[StrictStr, Field(max_length=128)]], Field(max_length=MAX_ASKED)] | None = None


@dataclass(slots=True)
class _Connection:
    socket: Any
    status: Status = "online"
    sids: set[str] = field(default_factory=set)
    # When it is reported next, and the earliest time for another change of state.
    due: float = 0.0
    free: float = 0.0


class Presence:
    """The connections of this process. One background task calls Redis; nothing else waits for it.

    A connection is present from its first namespace to its last. Its state is online until its client changes it.
    """

    def __init__(self, leases: Leases, timing: Timing) -> None:
        self._leases = leases
        self._timing = timing
        self._lock = threading.Lock()
        self._held: dict[Seat, _Connection] = {}
        self._ended: set[Seat] = set()
        # Those to report now, without waiting for the next round of all.
        self._fresh: set[Seat] = set()
        self._next_look = 0.0
        self._bell = threading.Event()

    def enter(self, session: Session) -> None:
        """Add a connection, or one more namespace of it."""
        seat = _seat(session)
        with self._lock:
            self._ended.discard(seat)
            if seat not in self._held:
                self._held[seat] = _Connection(session.socket)
                self._fresh.add(seat)
            self._held[seat].sids.add(session.sid)
        self._bell.set()

    def leave(self, session: Session) -> None:
        """Remove a namespace of a connection; with the last one the connection has ended."""
        seat = _seat(session)
        with self._lock:
            held = self._held.get(seat)
            if held is None:
                return
            held.sids.discard(session.sid)
            if not held.sids:
                del self._held[seat]
                self._ended.add(seat)
        self._bell.set()

    def set_status(self, session: Session, payload: Any) -> dict[str, Any]:
        """Set the state of a connection, as its client asks. It is announced soon."""
        status = parse(Choice, payload).status
        seat = _seat(session)
        with self._lock:
            held = self._held.get(seat)
            if held is not None and held.status != status:
                held.status = status
                held.due = min(held.due, held.free)
                self._fresh.add(seat)
        self._bell.set()
        return {"status": status}

    def list_users(self, session: Session, payload: Any) -> dict[str, Any]:
        """Return which users of the tenant are online, or the states of the users that are named."""
        asked = parse(Question, payload).users
        try:
            present = self._leases.states(session.tenant, asked)
        except Away as error:
            raise Refused("unavailable", "presence is not known at the moment") from error
        return {"users": dict(present.users), "more": present.more}

    def run(self) -> None:
        """Run for ever."""
        away = False
        while True:
            self._bell.wait(self._timing.tick)
            self._bell.clear()
            pause = _BATCH_SECONDS
            try:
                self.turn(time.monotonic())
                away = False
            except Away as error:
                if not away:
                    log.warning("presence is not kept", extra={"error": str(error)})
                away, pause = True, self._timing.presence_retry
            except Exception:
                log.exception("presence is not kept")
                pause = self._timing.presence_retry
            time.sleep(pause)

    def turn(self, now: float) -> None:
        """Report what is due, and end leases that have run out, of all processes. Raises Away."""
        reports = self._reports(now)
        try:
            while True:
                ended = self._leases.keep(reports[:STEP])
                reports = reports[STEP:]
                if not reports and ended < STEP:
                    return
        except Away:
            # Redis may come back empty. Ends are not reported again: the leases of these connections run out.
            with self._lock:
                self._next_look = 0.0
                for held in self._held.values():
                    held.due = 0.0
            raise

    def _reports(self, now: float) -> list[Report]:
        with self._lock:
            fresh, self._fresh = self._fresh, set()
            if now >= self._next_look:
                self._next_look = now + self._timing.tick
                fresh = set(self._held)
            due = [(seat, self._held[seat]) for seat in fresh if seat in self._held and self._held[seat].due <= now]
            reports = []
            for seat, held in due:
                if held.socket.closed:
                    # It has ended, and the library has not reported it.
                    del self._held[seat]
                    self._ended.add(seat)
                else:
                    reports.append(Report(*seat, held.status))
                    held.due = now + self._timing.renew
                    held.free = now + self._timing.states
            ended, self._ended = self._ended, set()
        return reports + [Report(*seat, None) for seat in ended]


def _seat(session: Session) -> Seat:
    return session.tenant, session.user, session.socket.sid
