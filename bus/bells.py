"""The doorbells: what may be asked of the workers. All that the web process may import from here.

A bell says "look"; what there is to do stands in SQL. One that is lost is rung again by the relay, one that is rung
twice finds nothing. None is ever rung before the commit that it announces.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError

from celeryconfig import BELL_EXPIRES
from models.lanes import Lane

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

# Bells of one kind that come closer together than this (seconds) are one: a process may ring for each of many requests
# it answers, and a bell costs more than the row that it announces.
CLOSE = 0.01


def ring_expand(notification_id: UUID, lane: int, begin: int | None = None, ahead: int = 0) -> bool:
    """Ask for the next page of a notification, before those of later lanes. False where the broker cannot be reached.

    `begin`: for that which begins there, `ahead` pages after the one that was committed last.
    """
    page = str(notification_id) if begin is None else f"{notification_id}:{begin}:{ahead}"
    return _ring("expand", [page], "intake", lane)


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
    """Ask for the events of the outbox. False where the broker cannot be reached."""
    return _ring("publish", [], "deliver")


class Debounced:
    """A bell that sounds at once, and then not more often than every `gap` seconds; the last of a burst is heard.

    `sound` is given everything that was rung for since it last sounded. What is rung for in between is not left to the
    relay: a thread sounds the bell at the end of the gap, and even the end of the program waits for it. True stands for
    a bell that will be rung, too.
    """

    def __init__(self, sound: Callable[[list[str]], bool], gap: float = CLOSE) -> None:
        self._sound = sound
        self._gap = gap
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self._waiting = False
        self._what: list[str] = []

    def ring(self, what: Sequence[str] = ()) -> bool:
        """Sound now, or once at the end of the gap."""
        with self._lock:
            if self._waiting:
                self._what += what
                return True
            left = self._quiet_until - time.monotonic()
            if left > 0:
                self._waiting = True
                self._what = list(what)
                threading.Timer(left, self._late).start()
                return True
            self._quiet_until = time.monotonic() + self._gap
        return self._sound(list(what))

    def _late(self) -> None:
        with self._lock:
            self._waiting = False
            self._quiet_until = time.monotonic() + self._gap
            what = self._what
        self._sound(what)


def _ring(task: str, args: list[str], queue: str, lane: int = Lane.normal) -> bool:
    # Whoever rings has to know that nobody will hear it.
    if time.monotonic() < _silent_until:
        return False
    bell = _bells.get((task, lane))
    if bell is None:
        bell = _bells.setdefault((task, lane), Debounced(lambda all_args: _send(task, all_args, queue, lane)))
    return bell.ring(args)


_bells: dict[tuple[str, int], Debounced] = {}


def _send(task: str, args: list[str], queue: str, lane: int) -> bool:
    global _silent_until
    try:
        _ringer.send_task(task, args=args, queue=queue, priority=int(lane), expires=BELL_EXPIRES)
    except OperationalError as error:
        _silent_until = time.monotonic() + PAUSE
        log.warning("bell not rung", extra={"task": task, "error": type(error).__name__})
        return False
    return True
