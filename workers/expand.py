"""One page of the audience, and the bells for what it wrote."""

from __future__ import annotations

import logging
from uuid import UUID

from channels.registry import CHANNELS
from models.db import write
from models.ledger.expand import Page, expand_page
from workers import jobs
from workers.runtime import Runtime

log = logging.getLogger(__name__)


def expand(run: Runtime, notification_id: UUID) -> Page | None:
    """Write the next page of the notification. None where there is nothing to do."""
    with write(run.engine) as connection:
        page = expand_page(connection, notification_id, run.now())
    if page is not None:
        log.info(
            "expanded",
            extra={
                "notification": str(notification_id),
                "recipients": page.recipients,
                "channels": sorted(page.channels),
                "finished": page.finished,
            },
        )
    return page


def expand_and_ring(run: Runtime, notification_id: UUID) -> None:
    """Write the next page, then ring for its deliveries and for the page after it.

    One page a task: notifications of any size take turns in the queue.
    """
    page = expand(run, notification_id)
    if page is None:
        return
    for channel in sorted(page.channels):
        jobs.ring_deliver(channel, CHANNELS[channel].queue)
    if not page.finished:
        jobs.ring_expand(notification_id)
