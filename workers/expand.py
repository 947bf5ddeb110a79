"""Expand notifications: one page of the audience at a time, and the bells for what it wrote."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.exc import OperationalError

from models.channels import IN_APP
from models.deliveries.expand import Page, PageConflict, Written, read_page, write_page
from models.deliveries.expand_small import WrittenSmall, find_small, write_small
from models.sql.engine import UNAVAILABLE, read, write
from models.sql.statements import is_lock_timeout
from models.usage.queries import RECIPIENTS
from workers.deliver import send
from workers.runtime import Runtime

log = logging.getLogger(__name__)

# Pages of one notification that are written side by side, besides the oldest that is not committed. Of a worker's four
# threads one is left for other work.
MAX_AHEAD = 2

# Notifications that failed are kept apart from batches, so that they do not make each of them fail. At most so many.
MAX_APART = 1000


class Expanded(NamedTuple):
    """A page that was committed. `rung`: a bell for the next page was sent before the commit."""

    page: Page
    written: Written
    rung: bool


def expand(run: Runtime, notification_id: UUID, start: int | None = None, ahead: int | None = None) -> Expanded | None:
    """Write the next page of the notification, or the page that begins at `start`. None if there is nothing to do.

    `ahead` is how many pages before this one were not committed when it was rung for; if given, the next page is rung
    for before this one is written. The caller has to publish `written.in_app`: see `publish_page`.
    """
    try:
        with write(run.engine) as connection:
            page = read_page(connection, notification_id, run.now(), start=start)
            if page is None:
                return None
            # The only bell before a commit. It names the page, and its worker waits for the end of our transaction.
            rung = not page.finished and ahead is not None and _ring_ahead(run, page, ahead)
            written = write_page(connection, page, run.now())
    except (PageConflict, OperationalError) as error:
        if not isinstance(error, PageConflict) and not is_lock_timeout(error):
            raise
        # The relay rings again if there is anything left to do.
        dropped = {"notification": str(notification_id), "start": start, "error": type(error).__name__}
        log.info("page dropped", extra=dropped)
        return None
    if run.usage is not None and not page.recalls:
        run.usage.count(page.notification.tenant_id, page.notification.mode, RECIPIENTS, len(page.user_ids))
    log.info(
        "expanded",
        extra={
            "notification": str(notification_id),
            "recipients": len(page.user_ids),
            "channels": sorted(written.channels),
            "finished": page.finished,
        },
    )
    return Expanded(page, written, rung)


def _ring_ahead(run: Runtime, page: Page, ahead: int) -> bool:
    if not page.is_next and ahead >= MAX_AHEAD:
        return False
    return run.bells.expand(page.notification.id, page.lane, page.end, 1 if page.is_next else ahead + 1)


def expand_and_ring(run: Runtime, notification_id: UUID, start: int | None = None, ahead: int = 0) -> None:
    """Write a page, ring for the next one and for its deliveries, and publish those in-app.

    One page a task: notifications of any size take turns in the queue.
    """
    expanded = expand(run, notification_id, start, ahead)
    if expanded is None:
        return
    page, written, rung = expanded
    if not page.finished and not rung:
        run.bells.expand(notification_id, page.lane, page.end)
    for channel in sorted(written.channels):
        run.bells.deliver(channel)
    publish_page(run, written)


def expand_small(run: Runtime, ids: Sequence[UUID]) -> list[UUID]:
    """Write small notifications, many in one transaction, and ring for their deliveries.

    Besides these, others of their tenants that wait: whoever is late catches up. Returns those of `ids` that have to be
    expanded one by one.
    """
    with read(run.engine) as connection:
        due = find_small(connection, ids, run.now(), run.apart)
    for batch in due.batches:
        try:
            with write(run.engine) as connection:
                done = write_small(connection, batch, run.now())
        except Exception as error:
            if isinstance(error, UNAVAILABLE) and not is_lock_timeout(error):
                raise
            # One of them, and it is not known which. The others must not wait for it.
            log.warning("batch failed", extra={"notifications": len(batch), "error": type(error).__name__})
            _expand_each(run, batch)
        else:
            _announce(run, done)
    return due.others


def _expand_each(run: Runtime, batch: Sequence[UUID]) -> None:
    for notification_id in batch:
        try:
            expand_and_ring(run, notification_id)
        except UNAVAILABLE:
            raise
        except Exception:
            log.exception("page failed", extra={"notification": str(notification_id)})
            if len(run.apart) >= MAX_APART:
                run.apart.clear()
            run.apart.add(notification_id)


def _announce(run: Runtime, done: WrittenSmall) -> None:
    for notification, recipients in done.recipients:
        if run.usage is not None:
            run.usage.count(notification.tenant_id, notification.mode, RECIPIENTS, recipients)
    if done.recipients:
        log.info(
            "expanded",
            extra={
                "notifications": [str(notification.id) for notification, _ in done.recipients],
                "recipients": sum(recipients for _, recipients in done.recipients),
                "channels": sorted(done.written.channels),
            },
        )
    for channel in sorted(done.written.channels):
        run.bells.deliver(channel)
    publish_page(run, done.written)


def publish_page(run: Runtime, written: Written) -> None:
    """Publish the in-app deliveries of a page to the clients that are connected."""
    if written.in_app is not None and written.in_app.messages:
        send(run, IN_APP, written.in_app, time.monotonic() + run.lease)
