"""Makes sure that who is sent a live event of a conversation is still a member of it.

A removal travels to the web processes like any other event, and another event of the conversation can overtake it. So
each carries the version of the members at the time when it was published. Where this process knows an older version, it
asks the database who is still there before it delivers the event.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine

from models.events.user_rooms import members_among
from models.sql.engine import UNAVAILABLE, read
from web.realtime.gateway.sessions import Sessions
from web.realtime.timing import Timing

log = logging.getLogger(__name__)

# Events that wait for the database in this process. Further ones are dropped: the log has them.
MAX_WAITING = 1000

Group = dict[str, Any]


class Membership:
    """One background task for the process. One query serves all events of a conversation that wait meanwhile."""

    def __init__(
        self, engine: Engine, sessions: Sessions, deliver: Callable[[list[Group]], None], timing: Timing
    ) -> None:
        self._engine = engine
        self._sessions = sessions
        self._deliver = deliver
        self._timing = timing
        # Held while events are delivered that have waited, so that no later one overtakes them.
        self._lock = threading.Lock()
        # By the Socket.IO name of the room.
        self._waiting: dict[str, list[Group]] = {}
        self._bell = threading.Event()

    def deliver(self, groups: list[Group]) -> None:
        """Deliver these events, those that have to wait for the database a moment later."""
        with self._lock:
            self._deliver([one for group in groups for one in _by_conversation(group) if not self._waits(one)])

    def _waits(self, group: Group) -> bool:
        version = group.get("members_version")
        if version is None:
            return False
        address = group["rooms"][0][0]
        known = self._sessions.version(address)
        if address not in self._waiting and (known is None or known >= version):
            return False
        if sum(map(len, self._waiting.values())) < MAX_WAITING:
            self._waiting.setdefault(address, []).append(group)
            self._bell.set()
        return True

    def run(self) -> None:
        """Run for ever."""
        while True:
            self._bell.wait()
            self._bell.clear()
            try:
                self.turn()
            except UNAVAILABLE as error:
                log.warning("members not read", extra={"error": type(error).__name__})
                self._retry()
            except Exception:
                log.exception("members not read")
                self._retry()

    def turn(self) -> None:
        """Ask who is a member of the conversations whose events wait, and deliver these. Raises UNAVAILABLE."""
        with self._lock:
            addresses = list(self._waiting)
        for address in addresses:
            tenant, _, room = address.partition("/")
            confirmed = False
            while not confirmed:
                sessions = self._sessions.members(address)
                with read(self._engine) as connection:
                    version, members = members_among(connection, tenant, room, {session.user for session in sessions})
                for session in sessions:
                    if session.user not in members:
                        self._sessions.leave(session, room)
                confirmed = self._sessions.confirm(address, version, sessions)
            with self._lock:
                self._deliver(self._waiting.pop(address))

    def _retry(self) -> None:
        time.sleep(self._timing.retry)
        self._bell.set()


def _by_conversation(group: Group) -> list[Group]:
    if "members_version" not in group:
        return [group]
    return [{**group, "rooms": [place]} for place in group["rooms"]]
