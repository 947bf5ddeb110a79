"""Who types where: starts are told at most every three seconds, and a stop comes by itself."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from actions.installation import Installation
from actions.principal import Principal
from actions.problems import Problem
from actions.typing import tell_typing
from bus.redis import UNAVAILABLE as BUS_UNAVAILABLE
from models.sql.engine import UNAVAILABLE
from web.realtime.gateway.sessions import Session

log = logging.getLogger(__name__)

# Seconds between two starts of a user in a conversation, and after which a start counts as stopped.
INTERVAL = 3.0
LIFETIME = 5.0
_TICK = 0.5

# Tenant, user, conversation.
Key = tuple[str, str, str]


@dataclass(slots=True)
class _State:
    principal: Principal
    sid: str
    told_at: float
    ends_at: float


class Typing:
    """The users who type on connections of this process. One background task ends what was not ended."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._lock = threading.Lock()
        self._typing: dict[Key, _State] = {}

    def set(self, session: Session, conversation: str, is_typing: bool) -> None:
        """Note that a user types, or has stopped, and tell the others. Raises Problem, or UNAVAILABLE of the bus."""
        key = (session.tenant, session.user, conversation)
        now = time.monotonic()
        with self._lock:
            known = self._typing.get(key)
            if is_typing and known is not None and now - known.told_at < INTERVAL:
                known.ends_at = now + LIFETIME
                return
            if not is_typing:
                self._typing.pop(key, None)
        tell_typing(self._installation, session.principal, conversation, is_typing)
        if is_typing:
            with self._lock:
                self._typing[key] = _State(session.principal, session.sid, now, now + LIFETIME)

    def leave(self, session: Session) -> None:
        """End what a connection that has ended had begun, soon."""
        with self._lock:
            for state in self._typing.values():
                if state.sid == session.sid:
                    state.ends_at = 0.0

    def run(self) -> None:
        """Run for ever."""
        while True:
            time.sleep(_TICK)
            try:
                self.turn(time.monotonic())
            except Exception:
                log.exception("typing not ended")

    def turn(self, now: float) -> None:
        """Tell the others of all that has run out."""
        with self._lock:
            ended = [(key, state) for key, state in self._typing.items() if state.ends_at <= now]
            for key, _ in ended:
                del self._typing[key]
        for (_, _, conversation), state in ended:
            try:
                tell_typing(self._installation, state.principal, conversation, False)
            except (Problem, *BUS_UNAVAILABLE, *UNAVAILABLE) as error:
                # Clients end it by themselves, too; and who is no member any more has nothing to tell.
                log.info("typing not ended", extra={"error": type(error).__name__})
