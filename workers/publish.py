"""From the outbox to the open connections: append what was staged, publish what is committed, forget it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

from bus.envelope import Entry, pack, room_name
from bus.redis import UNAVAILABLE
from models.events import publishing as outbox
from models.events.publishing import Unpublished
from models.events.vocabulary import generic
from models.sql.engine import read, write
from workers.runtime import Runtime

log = logging.getLogger(__name__)

# Events taken at once.
BATCH = 500

# As in workers/deliver.py.
BUDGET = 10.0

# A window that ends within this time (seconds) is waited for; for a later one the relay rings.
MAX_WAIT = 0.25

# How long a batch is taken for, several times as long as publishing can wait for Redis. A worker that dies leaves it to
# others after that.
LEASE = timedelta(seconds=15)

# Between two tries of a batch while Redis is unavailable.
RETRY_INTERVAL = timedelta(seconds=1)


def publish(run: Runtime, budget: float = BUDGET) -> bool:
    """Publish what is due, and what falls due in a moment. False if the budget (seconds) ran out first.

    Single flight: one thread of a process works, the others return at once, and it looks again on their behalf.
    """
    end = time.monotonic() + budget
    return run.publishing.run(lambda: _until_idle(run, end))


def _until_idle(run: Runtime, end: float) -> bool:
    while time.monotonic() < end:
        run.publishing.accept_requests()
        if publish_batch(run):
            continue
        wait = _next_window(run)
        if wait is None:
            return True
        run.publishing.wait(wait)
    return False


def _next_window(run: Runtime) -> float | None:
    """Seconds until the next window ends, if that is worth waiting for."""
    with read(run.engine) as connection:
        ends = outbox.next_staged(connection)
    if ends is None:
        return None
    left = (ends - run.now()).total_seconds()
    # A window that has ended and was not taken is in a room that another transaction holds at this moment.
    return max(left, 0.02) if left <= MAX_WAIT else None


def publish_batch(run: Runtime) -> int:
    """Append staged events whose window has ended, and publish one batch. Returns how many events were handled.

    No database connection is held while publishing. While Redis is unavailable, events become due again in a moment.
    """
    if run.publisher is None:
        raise RuntimeError("this runtime has no publisher")
    now = run.now()
    with write(run.engine) as connection:
        appended = outbox.append_staged(connection, now, BATCH)
        taken = outbox.take_unpublished(connection, now, now + LEASE, BATCH)
    if not taken:
        return appended
    ids = [one.outbox_id for one in taken]
    try:
        for envelope in pack(_entries(taken)):
            run.publisher.publish(list(envelope.groups.values()))
    except UNAVAILABLE as error:
        log.warning("not published", extra={"events": len(ids), "error": type(error).__name__})
        with write(run.engine) as connection:
            outbox.put_back(connection, ids, run.now() + RETRY_INTERVAL)
        return 0
    with write(run.engine) as connection:
        outbox.forget_published(connection, ids)
    log.info("published", extra={"events": len(ids)})
    return len(ids)


def _entries(taken: Sequence[Unpublished]) -> Iterator[Entry]:
    for one in taken:
        payload = generic(one.event.data, one.event.created_at)
        # Events that say the same travel as one group.
        key = json.dumps([one.event.type, payload, one.audience, one.members_version], sort_keys=True)
        room = room_name(one.tenant, one.event.room)
        yield Entry(key, one.event.type, payload, room, one.event.seq, one.audience, one.members_version)
