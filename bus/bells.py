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
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from kombu.transport import TRANSPORT_ALIASES

from bus import amqp
from bus.circuit_breaker import CircuitBreaker
from bus.redis import breaker_of
from celeryconfig import BELL_EXPIRES
from models.channels import CHANNELS
from models.lanes import Lane

log = logging.getLogger(__name__)

TRANSPORT_ALIASES |= amqp.ALIASES

# After a bell could not be sent, none is tried for this long (seconds): an outage must not slow every request.
OPEN_SECONDS = 1.0

# Bells of one kind that come closer together than this (seconds) are sent as one: a process can ring for each of many
# requests, and a bell costs more than the row that it announces.
GAP = 0.01

# With more bells than this, a queue is asked whether anybody serves it. A second's worth of a busy installation.
MANY = 1000

# Where `check` writes. The queue goes when it is not used any more.
_PROBE: Any = Queue("probe", expires=60)  # type: ignore[no-untyped-call]

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


class Kind(NamedTuple):
    """What bells have in common that can be sent as one."""

    task: str
    queue: str
    lane: int


class Sender:
    """Sends bells on a thread of its own: nobody who rings waits for the broker.

    The first bell of a kind is sent at once, and then at most one per `gap` seconds with everything collected since.
    The thread ends when nothing is left to send, so the end of the program waits for the last bell.
    """

    def __init__(self, send: Callable[[Kind, list[str]], None], gap: float = GAP) -> None:
        self._send = send
        self._gap = gap
        self._changed = threading.Condition()
        self._collected: dict[Kind, list[str]] = {}
        self._quiet_until: dict[Kind, float] = {}
        self._thread: threading.Thread | None = None

    def __call__(self, kind: Kind, args: Sequence[str] = ()) -> None:
        """Send a bell soon."""
        with self._changed:
            self._collected.setdefault(kind, []).extend(args)
            self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bells")
                self._thread.start()

    def wait(self) -> None:
        """Wait until all that was rung is sent."""
        if (thread := self._thread) is not None:
            thread.join()

    def _run(self) -> None:
        while (kind := self._next()) is not None:
            with self._changed:
                args = self._collected.pop(kind)
                self._quiet_until[kind] = time.monotonic() + self._gap
            self._send(kind, args)

    def _next(self) -> Kind | None:
        """Wait for the next kind that can be sent. None if there is none left."""
        with self._changed:
            while self._collected:
                kind = min(self._collected, key=lambda kind: self._quiet_until.get(kind, 0.0))
                left = self._quiet_until.get(kind, 0.0) - time.monotonic()
                if left <= 0:
                    return kind
                # Or until there is one of another kind.
                self._changed.wait(left)
            self._thread = None
            return None


class Bells:
    """Sends bells to one broker. Connects at the first one. Usable from any number of threads.

    Every method that rings returns at once, and never raises: what it announces is committed by then. It returns False
    if the last bell could not be sent, as far as is known by now. The relay then does what was asked for.
    """

    def __init__(self, broker_url: str) -> None:
        # An outage is known when the first bell has failed, so these time-outs (seconds) are short. A worker's own
        # connection cannot have them: a time-out of at most kombu's brpop_timeout of 1 s would break its reading.
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
        self._sender = Sender(self._send)
        self._breaker = CircuitBreaker(OPEN_SECONDS)
        # Where the broker is a Redis, others notice first that it does not answer. They do not have to know that it
        # takes no bells: a Redis that is full still publishes.
        self._redis = breaker_of(broker_url)

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

    def preview(self) -> bool:
        """Ask for the previews of pictures that have none."""
        return self.ring("make previews", [], "housekeeping")

    def take_in(self) -> bool:
        """Ask for the rows that services have put into the outbox."""
        return self.ring("take in", [], "intake")

    def ring(self, task: str, args: list[str], queue: str, lane: int = Lane.normal) -> bool:
        """Ring for a task by its name in Celery."""
        reachable = self._breaker.closed and self._redis.closed
        if not (self._breaker.seconds_left or self._redis.seconds_left):
            self._sender(Kind(task, queue, int(lane)), args)
        return reachable

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
        if not (self._breaker.closed and self._redis.closed):
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

    def check(self) -> None:
        """Write a message to the broker, and remove it. Raises whatever the transport does if that cannot be done.

        Connecting is not enough: a broker under an alarm, or a full Redis, takes connections and no messages.
        """
        with self._celery.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
            queue = _PROBE(connection.default_channel)
            queue.declare()
            connection.Producer().publish("probe", routing_key=queue.name)
            queue.purge()

    def close(self) -> None:
        """Wait for the last bell, and release the connections."""
        self._sender.wait()
        self._celery.close()

    def _send(self, kind: Kind, args: list[str]) -> None:
        if self._redis.seconds_left or not self._breaker.allows():
            return
        try:
            self._celery.send_task(kind.task, args=args, queue=kind.queue, priority=kind.lane, expires=BELL_EXPIRES)
        except Exception as error:
            # Each transport has errors of its own besides kombu's, and some come from settings that it does not know.
            if self._breaker.failed():
                unexpected = not isinstance(error, OperationalError | OSError)
                fields = {"task": kind.task, "error": type(error).__name__}
                log.warning("bell not sent", extra=fields, exc_info=unexpected)
            return
        self._redis.succeeded()
        if self._breaker.succeeded():
            log.info("bells are sent again")
