"""The doorbells: what may be asked of the workers. All that the web process may import from here.

A bell says "look"; what there is to do stands in SQL. One that is lost is rung again by the relay, one that is rung
twice finds nothing. None is ever rung before the commit that it announces.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError

from celeryconfig import BELL_EXPIRES

log = logging.getLogger(__name__)

# Whoever rings has somebody waiting, so it waits for little itself. A worker's own connection could not be so brief:
# a time-out not above kombu's brpop_timeout of 1 s would break its reading.
_ringer = Celery("carillon", set_as_current=False)
_ringer.config_from_object("celeryconfig")
_ringer.conf.broker_transport_options = {
    **_ringer.conf.broker_transport_options,
    "socket_timeout": 1,
    "socket_connect_timeout": 0.5,
}

# After a bell that could not be rung, none is tried for this long (seconds): an outage must not slow every request.
PAUSE = 1.0
_silent_until = 0.0

# Bells that come closer together than this (seconds) are one: a process may ring for each of many events it writes.
CLOSE = 0.01


def ring_expand(notification_id: UUID) -> bool:
    """Ask for the next page of a notification. False where the broker cannot be reached."""
    return _ring("expand", [str(notification_id)], "intake")


def ring_deliver(channel: str, queue: str) -> bool:
    """Ask for what is due on a channel. False where the broker cannot be reached."""
    return _ring(f"deliver {channel}", [], queue)


def served_queues(seconds: float = 1.5) -> set[str]:
    """The queues that some worker listens to, of those that answer within `seconds`. Raises without a broker."""
    answers = _ringer.control.inspect(timeout=seconds).active_queues() or {}
    return {queue["name"] for queues in answers.values() for queue in queues}


def use_broker(url: str) -> None:
    """Ring at this broker; for programs whose environment does not name one."""
    _ringer.conf.broker_url = url


def ring_publish() -> bool:
    """Ask for the events of the outbox. False where the broker cannot be reached.

    A process rings for it at most once in CLOSE seconds. What is rung for in between is not left to the relay: it is
    rung for once, at the end of that time, by a thread that even the end of the program waits for.
    """
    return _ring("publish", [], "deliver")


class Muffled:
    """A bell that sounds at once, and then not more often than every `gap` seconds; the last of a burst is heard.

    True stands for a bell that will be rung, too.
    """

    def __init__(self, sound: Callable[[], bool], gap: float = CLOSE) -> None:
        self._sound = sound
        self._gap = gap
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self._waiting = False

    def ring(self) -> bool:
        """Sound now, or once at the end of the gap."""
        with self._lock:
            if self._waiting:
                return True
            left = self._quiet_until - time.monotonic()
            if left > 0:
                self._waiting = True
                threading.Timer(left, self._late).start()
                return True
            self._quiet_until = time.monotonic() + self._gap
        return self._sound()

    def _late(self) -> None:
        with self._lock:
            self._waiting = False
            self._quiet_until = time.monotonic() + self._gap
        self._sound()


def _ring(task: str, args: list[str], queue: str) -> bool:
    return _PUBLISH.ring() if task == "publish" else _send(task, args, queue)


def _send(task: str, args: list[str], queue: str) -> bool:
    global _silent_until
    if time.monotonic() < _silent_until:
        return False
    try:
        _ringer.send_task(task, args=args, queue=queue, expires=BELL_EXPIRES)
    except OperationalError as error:
        _silent_until = time.monotonic() + PAUSE
        log.warning("bell not rung", extra={"task": task, "error": type(error).__name__})
        return False
    return True


_PUBLISH = Muffled(lambda: _send("publish", [], "deliver"))
