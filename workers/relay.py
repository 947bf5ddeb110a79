"""The relay: a small process that rings for everything that is due, and does the work itself without a broker.

Because of it a lost bell costs a second and nothing else.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from bus.counters import STEP, Counters
from config.logging_setup import configure_logging
from config.settings import Settings
from models.channels import CHANNELS
from models.deliveries.due import backlog, channels_with_work, due_notifications
from models.events import publishing
from models.outbox import queries as outbox
from models.outbox.listen import listen
from models.sql.engine import UNAVAILABLE, read, write
from workers.deliver import deliver
from workers.expand import expand, expand_small, publish_page
from workers.intake import intake
from workers.publish import publish
from workers.runtime import Runtime, build

log = logging.getLogger(__name__)

# Seconds between two looks: the most that a lost bell or a retry can be late.
INTERVAL = 1.0


def tick(run: Runtime) -> None:
    """Ring for everything that is due. Without a broker, do a second's worth of the work here.

    What fails does not keep the rest from being done. Raises models.sql.engine.UNAVAILABLE.
    """
    with write(run.engine) as connection:
        notifications = due_notifications(connection, run.now())
    here = [notification_id for notification_id, lane in notifications if not run.bells.expand(notification_id, lane)]
    if here:
        _attempt("expand", partial(_expand_here, run, here))
    with read(run.engine) as connection:
        channels = channels_with_work(connection, CHANNELS, run.now())
        events = publishing.due(connection, run.now())
        rows = outbox.is_due(connection, run.now())
    for channel in channels:
        if not run.bells.deliver(channel):
            _attempt(f"deliver {channel}", partial(deliver, run, channel, budget=INTERVAL))
    if events and not run.bells.publish():
        _attempt("publish", partial(publish, run, budget=INTERVAL))
    if rows and not run.bells.take_in():
        _attempt("take in", partial(intake, run, budget=INTERVAL))


def _attempt(name: str, work: Callable[[], object]) -> None:
    try:
        work()
    except UNAVAILABLE:
        raise
    except Exception:
        log.exception("work failed", extra={"work": name})


def _expand_here(run: Runtime, ids: Sequence[UUID]) -> None:
    for notification_id in expand_small(run, ids):
        _attempt(f"expand {notification_id}", partial(_expand_pages, run, notification_id))


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
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run = build(settings)
    # An insert into the outbox is rung for at once where the database says so (PostgreSQL).
    threading.Thread(target=listen, args=(run.engine, run.bells.take_in, stop), name="outbox", daemon=True).start()
    log.info("relay started")
    measured = 0.0
    away = False
    while not stop.wait(INTERVAL):
        try:
            tick(run)
            if run.counters is not None:
                run.counters.beat("relay")
            if run.counters is not None and time.monotonic() - measured >= STEP:
                measured = time.monotonic()
                measure(run, run.counters)
                run.bells.drop_unserved()
            away = False
        except UNAVAILABLE as error:
            if not away:
                log.warning("database away", extra={"error": type(error).__name__})
            away = True
        except Exception:
            # A relay that has ended rings for nobody.
            log.exception("relay failed")
    run.close()


if __name__ == "__main__":
    main()
