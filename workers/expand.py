"""One page of the audience, and the bells for what it wrote."""

from __future__ import annotations

import logging
from uuid import UUID

from sqlalchemy.exc import OperationalError

from models.deliveries.expand import GoOn, Page, PageConflict, expand_page
from models.sql.engine import write
from models.sql.statements import is_lock_timeout
from workers.deliver import send
from workers.runtime import Runtime

log = logging.getLogger(__name__)

# Pages of one notification written side by side, beside the oldest that is not committed: of a worker's four threads
# one is left for others.
AHEAD = 2


def expand(run: Runtime, notification_id: UUID, begin: int | None = None, go_on: GoOn | None = None) -> Page | None:
    """Write the next page of the notification, or that which begins at `begin`. None where there is nothing to do.

    `go_on` is that of `expand_page`. Whoever calls owes it to those who are connected to publish `page.in_app`:
    `publish_page`.
    """
    try:
        with write(run.engine) as connection:
            page = expand_page(connection, notification_id, run.now(), begin=begin, go_on=go_on)
    except (PageConflict, OperationalError) as error:
        if not isinstance(error, PageConflict) and not is_lock_timeout(error):
            raise
        # Begun anew by the relay, if there is anything left to do.
        dropped = {"notification": str(notification_id), "begin": begin, "error": type(error).__name__}
        log.info("page dropped", extra=dropped)
        return None
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


def expand_and_ring(run: Runtime, notification_id: UUID, begin: int | None = None, ahead: int = 0) -> None:
    """Write a page, ring for the page after it and for its deliveries, and publish those in-app.

    One page a task: notifications of any size take turns in the queue. The next page is begun while this one is
    written; `ahead` is how many before this one were not committed when it was rung for.
    """
    rung = False

    def go_on(lane: int, end: int, caught_up: bool) -> None:
        # The one bell that is rung before a commit: it says where to begin, and whoever hears it waits for us to end.
        nonlocal rung
        if caught_up or ahead < AHEAD:
            rung = run.bells.expand(notification_id, lane, end, 1 if caught_up else ahead + 1)

    page = expand(run, notification_id, begin, go_on)
    if page is None:
        return
    if not page.finished and not rung:
        run.bells.expand(notification_id, page.lane, page.end)
    for channel in sorted(page.channels):
        run.bells.deliver(channel)
    publish_page(run, page)


def publish_page(run: Runtime, page: Page) -> None:
    """Tell those of the page's recipients who are connected."""
    if page.in_app is not None and page.in_app.ready:
        send(run, "in_app", page.in_app)
