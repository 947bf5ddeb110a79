"""Who is there: connections are reported to Redis, and whoever is in the tenant hears of changes.

Presence is a courtesy. It is told without numbers, is not replayed, decides nothing, and does without Redis as well as
without a process that was killed.
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

# Reports that come so close together (seconds) go to Redis together.
_CLOSE = 0.1

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
class _Held:
    socket: Any
    status: Status = "online"
    sids: set[str] = field(default_factory=set)
    # When it is reported next, and the earliest moment at which a new state may be.
    due: float = 0.0
    free: float = 0.0


class Presence:
    """The connections of this process. Redis is spoken to by one background task, and waited for by nobody else.

    A connection is present from its first namespace to its last, in one state: online until its client says otherwise.
    """

    def __init__(self, leases: Leases, timing: Timing) -> None:
        self._leases = leases
        self._timing = timing
        self._lock = threading.Lock()
        self._held: dict[Seat, _Held] = {}
        self._ended: set[Seat] = set()
        # Those to report without waiting for the next look at all.
        self._fresh: set[Seat] = set()
        self._next_look = 0.0
        self._bell = threading.Event()

    def enter(self, session: Session) -> None:
        """A connection is there, or one more namespace of it."""
        seat = _seat(session)
        with self._lock:
            self._ended.discard(seat)
            if seat not in self._held:
                self._held[seat] = _Held(session.socket)
                self._fresh.add(seat)
            self._held[seat].sids.add(session.sid)
        self._bell.set()

    def leave(self, session: Session) -> None:
        """A namespace of a connection has ended; with the last one the connection has."""
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

    def choose(self, session: Session, payload: Any) -> dict[str, Any]:
        """The client says in which state its user is here. Others hear of it in a moment."""
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

    def tell(self, session: Session, payload: Any) -> dict[str, Any]:
        """Answer who of the tenant is there, or in which states these users are."""
        asked = parse(Question, payload).users
        try:
            present = self._leases.states(session.tenant, asked)
        except Away as error:
            raise Refused("unavailable", "presence is not known at the moment") from error
        return {"users": dict(present.users), "more": present.more}

    def run(self) -> None:
        """Work for ever."""
        away = False
        while True:
            self._bell.wait(self._timing.tick)
            self._bell.clear()
            pause = _CLOSE
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
        """Report what is due, and look after leases that have run out, whosever they were. Raises Away."""
        reports = self._reports(now)
        try:
            while True:
                ended = self._leases.keep(reports[:STEP])
                reports = reports[STEP:]
                if not reports and ended < STEP:
                    return
        except Away:
            # Redis may come back without its memory. What has ended is not told again: its leases run out.
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
                    # It broke off, and nobody said so.
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
