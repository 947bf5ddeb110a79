"""Bells: messages that ask the workers to look at what is due.

What there is to do stands in SQL. The relay replaces a lost bell, and a repeated one finds nothing to do. A bell is
sent after the commit that it announces, with one exception: the next page of an audience (docs/adr/0019).
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self
from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError

from bus.circuit_breaker import CircuitBreaker
from celeryconfig import BELL_EXPIRES
from models.channels import CHANNELS
from models.lanes import Lane

log = logging.getLogger(__name__)

# After a bell could not be sent, none is tried for this long (seconds): an outage must not slow every request.
OPEN_SECONDS = 1.0

# Bells of one kind that come closer together than this (seconds) are sent as one: a process can ring for each of many
# requests, and a bell costs more than the row that it announces.
GAP = 0.01

# With more bells than this, a queue is asked whether anybody serves it. A second's worth of a busy installation.
MANY = 1000


# A page of an audience, as the argument of a bell: "id", or "id:begin:ahead".
_PAGE = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?::([0-9]{1,18}):([0-9]{1,4}))?")


class Page(NamedTuple):
    """The page to write: the next one, or the one that begins at `begin`, `ahead` pages after the committed ones."""

    notification: UUID
    begin: int | None = None
    ahead: int = 0

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Read the argument of a bell. Raises ValueError: it has passed through Redis, where others may write."""
        found = _PAGE.fullmatch(argument)
        if found is None:
            raise ValueError("no page")
        notification, begin, ahead = found.groups()
        return cls(UUID(notification)) if begin is None else cls(UUID(notification), int(begin), int(ahead))

    def __str__(self) -> str:
        place = "" if self.begin is None else f":{self.begin}:{self.ahead}"
        return f"{self.notification}{place}"


class Debounced:
    """Debounce: call `send` at once, then at most once per `gap` seconds with everything collected since.

    The deferred call runs on a non-daemon timer thread, so it happens even at exit.
    """

    def __init__(self, send: Callable[[list[str]], bool], gap: float = GAP) -> None:
        self._send = send
        self._gap = gap
        self._lock = threading.Lock()
        self._quiet_until = 0.0
        self._waiting = False
        self._collected: list[str] = []

    def __call__(self, args: Sequence[str] = ()) -> bool:
        """Send now, or with everything else at the end of the gap. True if sent or scheduled."""
        with self._lock:
            if self._waiting:
                self._collected += args
                return True
            left = self._quiet_until - time.monotonic()
            if left > 0:
                self._waiting = True
                self._collected = list(args)
                threading.Timer(left, self._send_late).start()
                return True
            self._quiet_until = time.monotonic() + self._gap
        return self._send(list(args))

    def _send_late(self) -> None:
        with self._lock:
            self._waiting = False
            self._quiet_until = time.monotonic() + self._gap
            args = self._collected
        self._send(args)


class Bells:
    """Sends bells to one broker. Connects at the first one. Usable from any number of threads.

    Every method that rings returns False if the bell could not be sent, and never raises: what it announces is
    committed by then. The relay then does what was asked for.
    """

    def __init__(self, broker_url: str) -> None:
        # A caller is waiting, so these time-outs (seconds) are short. A worker's own connection cannot have them: a
        # time-out of at most kombu's brpop_timeout of 1 s would break its reading.
        self._celery = Celery("carillon", set_as_current=False, broker=broker_url)
        self._celery.config_from_object("celeryconfig")
        self._celery.conf.broker_url = broker_url
        # A second message for each bell. Workers say what they have received, which is what Flower shows.
        self._celery.conf.task_send_sent_event = False
        self._celery.conf.broker_transport_options = {
            **self._celery.conf.broker_transport_options,
            "socket_timeout": 1,
            "socket_connect_timeout": 0.5,
        }
        self._debounced: dict[tuple[str, int], Debounced] = {}
        self._breaker = CircuitBreaker(OPEN_SECONDS)

    def expand(self, notification_id: UUID, lane: int, begin: int | None = None, ahead: int = 0) -> bool:
        """Ask for the next page of a notification's audience, before those of less urgent lanes.

        `begin`: for the page that begins there, `ahead` pages after the one that was committed last.
        """
        return self.ring("expand", [str(Page(notification_id, begin, ahead))], "intake", lane)

    def deliver(self, channel: str) -> bool:
        """Ask for what is due on a channel."""
        return self.ring(f"deliver {channel}", [], CHANNELS[channel].queue)

    def publish(self) -> bool:
        """Ask for the events that wait to be published."""
        return self.ring("publish", [], "deliver")

    def take_in(self) -> bool:
        """Ask for the rows that services have put into the outbox."""
        return self.ring("take in", [], "intake")

    def ring(self, task: str, args: list[str], queue: str, lane: int = Lane.normal) -> bool:
        """Ring for a task by its name in Celery."""
        if not self._breaker.allows():
            return False
        send = self._debounced.get((task, lane))
        if send is None:
            send = self._debounced.setdefault(
                (task, lane), Debounced(lambda collected: self._send(task, collected, queue, lane))
            )
        return send(args)

    def served_queues(self, seconds: float = 1.5) -> set[str]:
        """The queues that some worker consumes, of those workers that answer within `seconds`.

        Raises kombu.exceptions.OperationalError without a broker.
        """
        answers: dict[str, Any] = self._celery.control.inspect(timeout=seconds).active_queues() or {}
        return {queue["name"] for queues in answers.values() for queue in queues}

    def drop_unserved(self) -> None:
        """Drop the bells of each queue that has many and that no worker consumes. Call it every few seconds.

        A broker keeps expired bells until a worker takes them, so they would fill it. The relay rings again for
        everything that is due when a worker is back.
        """
        if not self._breaker.closed:
            return
        try:
            with self._celery.connection_or_acquire() as connection, connection.channel() as channel:
                queues = [queue(channel) for queue in self._celery.conf.task_queues]
                # Declaring a queue tells its length. A passive declaration fails with a key prefix (kombu 5.7).
                crowded = [queue for queue in queues if queue.queue_declare().message_count > MANY]
                served = self.served_queues() if crowded else set()
                for queue in crowded:
                    if queue.name not in served:
                        log.warning("no worker serves a queue", extra={"queue": queue.name})
                        queue.purge()
        except Exception as error:  # noqa: BLE001 - each transport has its own
            # The next bell finds out what it means.
            log.info("queues not looked at", extra={"error": type(error).__name__})

    def close(self) -> None:
        """Release the connections."""
        self._celery.close()

    def _send(self, task: str, args: list[str], queue: str, lane: int) -> bool:
        try:
            self._celery.send_task(task, args=args, queue=queue, priority=int(lane), expires=BELL_EXPIRES)
        except Exception as error:
            # Each transport has errors of its own besides kombu's, and some come from settings that it does not know.
            if self._breaker.failed():
                unexpected = not isinstance(error, OperationalError | OSError)
                log.warning("bell not sent", extra={"task": task, "error": type(error).__name__}, exc_info=unexpected)
            return False
        self._breaker.succeeded()
        return True
