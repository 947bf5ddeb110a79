"""The relay: a small process that rings for everything that is due, and does the work itself without a broker.

Because of it a lost bell costs a second and nothing else.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from bus.counters import STEP, Counters
from config.logging_setup import configure_logging
from config.settings import Settings
from models.channels import CHANNELS
from models.deliveries.due import backlog, channels_with_work, due_notifications
from models.events import publishing
from models.events.timeline import follow_timeline
from models.outbox import queries as outbox
from models.outbox.listen import listen
from models.set_back import follow_clock
from models.sql.engine import UNAVAILABLE, read, write
from workers.deliver import deliver
from workers.expand import expand, expand_small, publish_page
from workers.intake import intake
from workers.publish import publish
from workers.runtime import Runtime, build

log = logging.getLogger(__name__)

# Seconds between two looks: the most that a lost bell or a retry can be late.
INTERVAL = 1.0

# Batches of one channel that are sent at once without a broker: as many as a `push` process does, and half of what a
# `mail` process does (Procfile).
THREADS = 4


class Relay:
    """Rings for everything that is due. What cannot be rung for is done here, on threads, side by side.

    A slow provider keeps no other channel waiting, and a Redis that stands still keeps nothing waiting.
    """

    def __init__(self, run: Runtime) -> None:
        self._run = run
        self._threads = ThreadPoolExecutor(2 * THREADS * len(CHANNELS), "work")
        self._lock = threading.Lock()
        self._working: defaultdict[str, set[Future[bool]]] = defaultdict(set)

    def tick(self) -> None:
        """Look once, and ring. Without a broker, begin the work. Raises models.sql.engine.UNAVAILABLE."""
        run = self._run
        _follow_timeline(run)
        with write(run.engine) as connection:
            set_back = follow_clock(connection, run.now(), timedelta(seconds=run.lease))
            notifications = due_notifications(connection, run.now())
        if set_back is not None:
            moved = {"seconds": round(set_back.seconds, 1), "brought_forward": set_back.rows}
            log.warning("clock set back", extra=moved)
        not_rung = [found.id for found in notifications if not run.bells.expand(found.id, found.lane)]
        if not_rung:
            self._begin("expand", partial(self._expand, not_rung))
        self._look()

    def drop_unserved(self) -> None:
        """Begin to drop bells that nobody answers."""
        self._begin("drop unserved bells", self._run.bells.drop_unserved)

    def wait(self) -> None:
        """Wait for the end of all work that has begun."""
        while running := self._running():
            wait(running)

    def close(self) -> None:
        """End: wait for what has begun, and release every connection."""
        self.wait()
        self._threads.shutdown()
        self._run.close()

    def _look(self) -> None:
        run = self._run
        with read(run.engine) as connection:
            channels = channels_with_work(connection, CHANNELS, run.now())
            events = publishing.due(connection, run.now())
            rows = outbox.is_due(connection, run.now())
        for channel in channels:
            if not run.bells.deliver(channel):
                # One thread more at each look, while there is more to do than the others have done.
                self._begin(f"deliver {channel}", partial(deliver, run, channel, budget=INTERVAL), THREADS)
        if events and not run.bells.publish():
            self._begin("publish", partial(publish, run, budget=INTERVAL))
        if rows and not run.bells.take_in():
            self._begin("take in", partial(intake, run, budget=INTERVAL))

    def _expand(self, notifications: Sequence[UUID]) -> None:
        for notification_id in expand_small(self._run, notifications):
            work = partial(_expand_pages, self._run, notification_id)
            if self._run.stopping.is_set() or not _attempt(f"expand {notification_id}", work):
                return
        self._look()

    def _running(self) -> list[Future[bool]]:
        with self._lock:
            return [work for begun in self._working.values() for work in begun if not work.done()]

    def _begin(self, name: str, work: Callable[[], object], at_once: int = 1) -> None:
        with self._lock:
            begun = self._working[name] = {work for work in self._working[name] if not work.done()}
            if len(begun) < at_once:
                begun.add(self._threads.submit(_attempt, name, work))


def _follow_timeline(run: Runtime) -> None:
    try:
        begun = follow_timeline(run.engine)
    except UNAVAILABLE:
        raise
    except DBAPIError as error:
        # Some services that speak PostgreSQL's protocol have no timelines, and some do not let every role ask.
        log.warning("timeline unknown", extra={"error": type(error.orig).__name__})
        return
    if begun:
        log.warning("new epoch: the database has gone back to an earlier state")


def _attempt(name: str, work: Callable[[], object]) -> bool:
    """Do it. What fails is begun again at another look. False if the database is away."""
    try:
        work()
    except UNAVAILABLE as error:
        log.warning("database away", extra={"error": type(error).__name__})
        return False
    except Exception:
        log.exception("work failed", extra={"work": name})
    return True


def _expand_pages(run: Runtime, notification_id: UUID) -> None:
    end = time.monotonic() + INTERVAL
    while (expanded := expand(run, notification_id)) is not None:
        publish_page(run, expanded.written)
        if expanded.page.finished or time.monotonic() > end:
            break


def measure(run: Runtime, rates: Counters) -> None:
    """Note how long the oldest delivery of each channel has been due, for the console."""
    with read(run.engine) as connection:
        for channel in CHANNELS:
            _number, oldest = backlog(connection, channel, run.now())
            rates.gauge(f"oldest:{channel}", round(oldest, 3))


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings.from_env()
    configure_logging(settings.log_level)
    run = build(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: run.stopping.set())
    # An insert into the outbox is rung for at once where the database says so (PostgreSQL).
    listener = (run.engine, run.bells.take_in, run.stopping)
    threading.Thread(target=listen, args=listener, name="outbox", daemon=True).start()
    log.info("relay started")
    relay = Relay(run)
    measured = 0.0
    while not run.stopping.wait(INTERVAL):
        try:
            relay.tick()
            if run.counters is not None:
                run.counters.beat("relay")
            if run.counters is not None and time.monotonic() - measured >= STEP:
                measured = time.monotonic()
                measure(run, run.counters)
                relay.drop_unserved()
        except UNAVAILABLE as error:
            log.warning("database away", extra={"error": type(error).__name__})
        except Exception:
            # A relay that has ended rings for nobody.
            log.exception("relay failed")
    relay.close()


if __name__ == "__main__":
    main()
