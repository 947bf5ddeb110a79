"""The number on the bell: told after whatever may have changed it and did not say so itself.

Changes that users make announce the counts in the log (models/inbox/changes.py). What comes in, what is recalled
and what a replay brings do not: there the counts are asked for, for many users at once, and told without a number.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine

from bus.envelope import room_name
from models.events.vocabulary import NOTIFICATION_DELETED, NOTIFICATION_NEW
from models.inbox.queries import counts_for
from models.sql.engine import UNAVAILABLE, read
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.timing import Timing
from web.realtime.transport import fanout

log = logging.getLogger(__name__)

NOTIFICATION_COUNT = "notification:count"

# Users in one query.
_USERS = 1000


class CountNotifier:
    """One background task for the process: it tells counts at most every `timing.counts` seconds."""

    def __init__(self, engine: Engine, sessions: Sessions, timing: Timing) -> None:
        self._engine = engine
        self._sessions = sessions
        self._timing = timing
        self._lock = threading.Lock()
        # By the Socket.IO name of the user's room.
        self._asked: set[str] = set()
        # Whose counts are being read, and were not told by the log meanwhile.
        self._reading: set[str] = set()
        self._bell = threading.Event()

    def ask(self, session: Session) -> None:
        """Tell this session's user the counts soon."""
        if session.view.hears(NOTIFICATION_COUNT):
            self._ask([room_name(session.tenant, session.user_room)])

    def heard(self, groups: list[dict[str, Any]]) -> None:
        """Live events have passed; those that change counts make them be told."""
        for group in groups:
            event = group["event"]
            if event in (NOTIFICATION_NEW, NOTIFICATION_DELETED):
                self._ask(address for address, _ in group["rooms"] if self._listened(address))
            elif event == NOTIFICATION_COUNT:
                with self._lock:
                    self._reading.difference_update(address for address, _ in group["rooms"])

    def run(self) -> None:
        """Work for ever."""
        while True:
            self._bell.wait()
            self._bell.clear()
            pause = self._timing.counts
            try:
                self.tell()
            except UNAVAILABLE as error:
                log.warning("counts not read", extra={"error": type(error).__name__})
                pause = self._timing.retry
            except Exception:
                log.exception("counts not told")
            time.sleep(pause)

    def tell(self) -> int:
        """Tell everybody who was asked for. Returns how many connections heard it. Where it raises, all stay asked for.

        What the log tells while the database is read is newer than what is read.
        """
        with self._lock:
            asked, self._asked = self._asked, set()
            self._reading = set(asked)
        try:
            return sum(self._tell(tenant, users) for tenant, users in _by_tenant(asked))
        except Exception:
            self._ask(asked)
            raise

    def _tell(self, tenant: str, users: list[str]) -> int:
        with read(self._engine) as connection:
            counts = counts_for(connection, tenant, users, datetime.now(UTC))
        heard = 0
        for user, count in counts.items():
            address = room_name(tenant, f"user:{user}")
            if address in self._reading:
                heard += fanout.send_unlogged(self._sessions.members(address), NOTIFICATION_COUNT, count.data())
        return heard

    def _ask(self, addresses: Iterable[str]) -> None:
        with self._lock:
            self._asked.update(addresses)
        if self._asked:
            self._bell.set()

    def _listened(self, address: str) -> bool:
        return any(session.view.hears(NOTIFICATION_COUNT) for session in self._sessions.members(address))


def _by_tenant(addresses: Iterable[str]) -> Iterable[tuple[str, list[str]]]:
    users: dict[str, list[str]] = {}
    for address in addresses:
        tenant, _, room = address.partition("/")
        users.setdefault(tenant, []).append(room.removeprefix("user:"))
    for tenant, all_of_them in users.items():
        for start in range(0, len(all_of_them), _USERS):
            yield tenant, all_of_them[start : start + _USERS]
