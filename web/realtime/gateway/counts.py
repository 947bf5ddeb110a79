"""The counts of an inbox, sent after events that change them without saying so.

Changes that users make put the new counts into the log (models/inbox/changes.py). New notifications, recalls and
replays do not. After these the counts of many users are read at once, and sent as an event without a number.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from bus.envelope import room_name
from models.events.vocabulary import NOTIFICATION_DELETED, NOTIFICATION_NEW
from models.inbox.queries import counts_for
from models.rooms.names import user_room
from models.sql.engine import UNAVAILABLE, read
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.timing import Timing
from web.realtime.transport import fanout

log = logging.getLogger(__name__)

NOTIFICATION_COUNT = "notification:count"

# Users in one query.
_USERS = 1000


class CountNotifier:
    """One background task for the process, which sends counts at most every `timing.counts` seconds."""

    def __init__(self, engine: Engine, now: Callable[[], datetime], sessions: Sessions, timing: Timing) -> None:
        self._engine = engine
        self._now = now
        self._sessions = sessions
        self._timing = timing
        self._lock = threading.Lock()
        # By the Socket.IO name of the user's room.
        self._asked: set[str] = set()
        # Rooms whose counts are being read, without those to which the log has brought newer ones meanwhile.
        self._reading: set[str] = set()
        self._bell = threading.Event()

    def ask(self, session: Session) -> None:
        """Send the session's user the counts soon."""
        if session.view.receives(NOTIFICATION_COUNT):
            self._ask([room_name(session.tenant, session.user_room)])

    def observe(self, groups: list[dict[str, Any]]) -> None:
        """Look at live events, and send counts after those that change them."""
        for group in groups:
            event = group["event"]
            if event in (NOTIFICATION_NEW, NOTIFICATION_DELETED):
                self._ask(address for address, _ in group["rooms"] if self._listened(address))
            elif event == NOTIFICATION_COUNT:
                with self._lock:
                    self._reading.difference_update(address for address, _ in group["rooms"])

    def run(self) -> None:
        """Run for ever."""
        while True:
            self._bell.wait()
            self._bell.clear()
            pause = self._timing.counts
            try:
                self.send()
            except UNAVAILABLE as error:
                log.warning("counts not read", extra={"error": type(error).__name__})
                pause = self._timing.retry
            except Exception:
                log.exception("counts not sent")
            time.sleep(pause)

    def send(self) -> int:
        """Send the counts that were asked for. Returns to how many connections. If it raises, all remain asked for.

        Counts that the log brings while the database is read are newer than what is read, and so are not overwritten.
        """
        with self._lock:
            asked, self._asked = self._asked, set()
            self._reading = set(asked)
        try:
            return sum(self._send(tenant, users) for tenant, users in _by_tenant(asked))
        except Exception:
            self._ask(asked)
            raise

    def _send(self, tenant: str, users: list[str]) -> int:
        with read(self._engine) as connection:
            counts = counts_for(connection, tenant, users, self._now())
        sent = 0
        for user, count in counts.items():
            address = room_name(tenant, user_room(user))
            if address in self._reading:
                sent += fanout.send_unlogged(self._sessions.members(address), NOTIFICATION_COUNT, count.data())
        return sent

    def _ask(self, addresses: Iterable[str]) -> None:
        with self._lock:
            self._asked.update(addresses)
        if self._asked:
            self._bell.set()

    def _listened(self, address: str) -> bool:
        return any(session.view.receives(NOTIFICATION_COUNT) for session in self._sessions.members(address))


def _by_tenant(addresses: Iterable[str]) -> Iterable[tuple[str, list[str]]]:
    users: dict[str, list[str]] = {}
    for address in addresses:
        tenant, _, room = address.partition("/")
        users.setdefault(tenant, []).append(room.removeprefix("user:"))
    for tenant, all_of_them in users.items():
        for start in range(0, len(all_of_them), _USERS):
            yield tenant, all_of_them[start : start + _USERS]
