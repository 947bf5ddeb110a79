"""The tasks, each one call long. Their names are what Flower shows."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from celery.signals import setup_logging, worker_init, worker_shutting_down

from bus.bells import Page
from bus.circuit_breaker import CircuitBreaker
from config.logging_setup import configure_logging
from config.settings import Settings, SettingsError
from models.channels import CHANNELS
from models.sql.engine import UNAVAILABLE
from models.sql.statements import is_lock_timeout
from workers import housekeeping
from workers.app import app
from workers.deliver import deliver
from workers.expand import expand_and_ring, expand_small
from workers.intake import intake
from workers.previews import make_previews
from workers.publish import publish
from workers.runtime import runtime

log = logging.getLogger(__name__)


@setup_logging.connect
def log_as_we_do(**_: object) -> None:
    """In place of Celery's own set-up, in its workers and in beat: JSON, as every other process."""
    configure_logging(Settings.from_env().log_level)
    # They log two lines for every bell, and most bells find nothing to do. The work itself is logged where it is done.
    for chatter in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(chatter).setLevel(logging.WARNING)


@worker_init.connect
def be_ready(**_: object) -> None:
    """Build what tasks work with before the first bell: it takes seconds, and settings may turn out to be unusable."""
    try:
        runtime()
    except SettingsError as error:
        # Celery logs any other exception of a receiver, and goes on.
        sys.exit(str(error))


@worker_shutting_down.connect
def be_told_to_end(**_: object) -> None:
    """Let nothing wait for long: the process has been told to end."""
    runtime().stopping.set()


# After the database has refused, bells are dropped for this long (seconds). The relay rings again for what is due.
PAUSE = 1.0

_database = CircuitBreaker(PAUSE)


def _task(name: str) -> Callable[[Callable[..., None]], Any]:
    """Declare a task. Without a database it ends at once: what is due stays due."""

    def declare(work: Callable[..., None]) -> Any:
        @app.task(name=name)
        @wraps(work)
        def task(*args: str) -> None:
            if not _database.allows():
                return
            try:
                work(*args)
            except UNAVAILABLE as error:
                if is_lock_timeout(error):
                    log.info("waited too long for others", extra={"task": name})
                elif _database.failed():
                    log.warning("database away", extra={"task": name, "error": type(error).__name__})
            else:
                _database.succeeded()

        return task

    return declare


@_task("expand")
def expand_task(*pages: str) -> None:
    """Write these pages of notifications' audiences, each a bus.bells.Page."""
    failed: Exception | None = None
    wanted: list[Page] = []
    for argument in dict.fromkeys(pages):
        try:
            wanted.append(Page.parse(argument))
        except ValueError:
            log.warning("bells dropped: no pages")
    first = [page.notification for page in wanted if page.begin is None]
    others = set(expand_small(runtime(), first)) if first else set()
    for page in wanted:
        if page.begin is None and page.notification not in others:
            continue
        try:
            expand_and_ring(runtime(), *page)
        except UNAVAILABLE:
            raise
        except Exception as error:
            # The others of this bell are notifications that were only rung for in the same moment.
            log.exception("page failed", extra={"notification": str(page.notification)})
            failed = error
    if failed is not None:
        raise failed


def _deliver_task(channel: str) -> Any:
    @_task(f"deliver {channel}")
    def work() -> None:
        if not deliver(runtime(), channel):
            runtime().bells.deliver(channel)

    return work


DELIVER_TASKS = {name: _deliver_task(name) for name in CHANNELS}


@_task("take in")
def take_in_task() -> None:
    """Take in the rows that services have put into the outbox."""
    if not intake(runtime()):
        runtime().bells.take_in()


@_task("publish")
def publish_task() -> None:
    """Append staged events whose window has ended, and publish what is in the outbox."""
    if not publish(runtime()):
        runtime().bells.publish()


@_task("make previews")
def make_previews_task() -> None:
    """Make the previews of pictures that have none."""
    make_previews(runtime())


@_task("purge")
def purge_task() -> None:
    """Delete what is past retention."""
    housekeeping.purge(runtime())
