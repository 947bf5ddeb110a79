"""From a notification to its events and deliveries, one page of the audience in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, text, update
from sqlalchemy.exc import OperationalError

from models.deliveries.claim import Claim
from models.deliveries.tables import deliveries
from models.deliveries.take_back import take_back
from models.deliveries.write_deliveries import write_deliveries
from models.notifications.tables import notifications
from models.sql.statements import is_lock_timeout
from models.topics.tables import subscriptions
from models.users.queries import Person, upsert_users
from models.users.tables import users

# Users in one transaction: a page's locks are held for some tens of milliseconds.
PAGE = 1000

# If the next page is not written by then, the relay rings again.
NEXT_PAGE = timedelta(seconds=5)

# A page holds its rooms for this long (ms) while it waits for the page before: less than PostgreSQL's deadlock_timeout,
# so that in a circle it is the page that lets go.
PATIENCE = 300


# Told the lane, where the next page begins, and whether the page before this one has been committed.
GoOn = Callable[[int, int, bool], None]


@dataclass(frozen=True, slots=True)
class Page:
    """What one page wrote: the channels that now have work, for how many users, in which lane, where the next page
    begins, and whether this was the last one.

    `in_app`: what is in the log of its users now, for whoever wrote the page to publish after the commit.
    """

    channels: frozenset[str]
    recipients: int
    lane: int
    end: int
    finished: bool
    in_app: Claim | None = None


class PageConflict(Exception):
    """What this page builds on is not so: the page before it was not written, or the notification is being recalled."""


def expand_page(
    connection: Connection,
    notification_id: UUID,
    now: datetime,
    size: int = PAGE,
    begin: int | None = None,
    go_on: GoOn | None = None,
) -> Page | None:
    """Write the next page of an accepted notification, or of its recall.

    None where there is nothing to do: finished, unknown, or another worker is at it this moment. The page and the
    position are committed together, so a crash repeats nothing and skips nothing.

    Pages may be written side by side, though each is committed after the one before. `begin`: write the page that
    begins there, even if the one before is not committed yet; raises Overtaken if it never is, and the transaction has
    to be rolled back. `go_on` is called as soon as it is known where the next page begins.

    An in-app delivery is sent by being in the log: whoever is connected is owed it from then on, and gets it within
    seconds also where it is never published (docs/adr/0018). It needs no claim, and no record unless publishing fails.
    """
    open_ = (notifications.c.id == notification_id, notifications.c.due_at.is_not(None))
    if begin is None:
        begin = connection.scalar(select(notifications.c.cursor).where(*open_))
    if begin is None or not _alone(connection, notification_id, begin):
        return None
    # Read behind the lock: whoever had it before has moved on.
    notification = connection.execute(select(notifications).where(*open_)).one_or_none()
    if notification is None or begin < notification.cursor:
        return None
    caught_up = begin == notification.cursor
    recalling = notification.state == "recalling"
    of_users = _reached if recalling else _audience
    user_ids, end, finished = of_users(connection, notification, begin, size, now)
    if go_on is not None and not finished:
        _lock(connection, notification_id, end)
        go_on(notification.lane, end, caught_up)
    channels, in_app = _write_in_turn(connection, notification, user_ids, None if caught_up else begin, now)
    moved = connection.execute(
        update(notifications)
        .where(
            notifications.c.id == notification_id,
            notifications.c.cursor == begin,
            notifications.c.state == notification.state,
        )
        .values(
            cursor=end,
            recipients=notifications.c.recipients + (0 if recalling else len(user_ids)),
            state=("recalled" if recalling else "expanded") if finished else notification.state,
            due_at=None if finished else now + NEXT_PAGE,
        )
    )
    if not moved.rowcount:
        raise PageConflict
    return Page(frozenset(channels), len(user_ids), notification.lane, end, finished, in_app)


def _write_in_turn(
    connection: Connection, notification: Row[Any], user_ids: Sequence[int], begin: int | None, now: datetime
) -> tuple[set[str], Claim | None]:
    """Write the page, and wait for that which ends at `begin` if there is one to wait for."""
    if begin is not None and connection.dialect.name == "postgresql":
        try:
            with connection.begin_nested():
                written = _write(connection, notification, user_ids, now)
                connection.execute(text(f"SET LOCAL lock_timeout = {PATIENCE}"))
                _lock(connection, notification.id, begin)
        except OperationalError as error:
            if not is_lock_timeout(error):
                raise
        else:
            connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
            return written
        # The page before may itself wait for somebody who waits for a room of ours: let go of them, and write later.
        _lock(connection, notification.id, begin)
    return _write(connection, notification, user_ids, now)


def _write(
    connection: Connection, notification: Row[Any], user_ids: Sequence[int], now: datetime
) -> tuple[set[str], Claim | None]:
    if not user_ids:
        return set(), None
    if notification.state == "recalling":
        return take_back(connection, notification, user_ids, now), None
    return write_deliveries(connection, notification, user_ids, now)


def _alone(connection: Connection, notification_id: UUID, begin: int) -> bool:
    """Whether nobody else writes the page that begins there; until the end of the transaction nobody will."""
    # Not by the row of the notification: a page needs that for its position, and only at its end.
    name = f"page {notification_id} {begin}"
    return connection.dialect.name == "sqlite" or bool(
        connection.scalar(select(func.pg_try_advisory_xact_lock(_key(name))))
    )


def _lock(connection: Connection, notification_id: UUID, end: int) -> None:
    """Wait for who writes the page that ends there; whoever comes later waits for us."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_key(f"end {notification_id} {end}"))))


def _key(name: str) -> ColumnElement[int]:
    return func.hashtextextended(name, 0)


def _audience(
    connection: Connection, notification: Row[Any], begin: int, size: int, now: datetime
) -> tuple[Sequence[int], int, bool]:
    """(row ids of the page's users, where the next page begins, whether this page is the last)."""
    audience = notification.audience
    if "users" in audience:
        people = [Person(**person) for person in audience["users"][begin : begin + size]]
        end = begin + len(people)
        return upsert_users(connection, notification.tenant_id, people, now), end, end >= len(audience["users"])
    if "topic" in audience:
        column = subscriptions.c.user_id
        page = select(column).where(
            subscriptions.c.tenant_id == notification.tenant_id, subscriptions.c.topic == audience["topic"]
        )
    else:
        column = users.c.id
        page = select(column).where(users.c.tenant_id == notification.tenant_id)
    return _page(connection, page, column, begin, size)


def _reached(
    connection: Connection, notification: Row[Any], begin: int, size: int, _now: datetime
) -> tuple[Sequence[int], int, bool]:
    """The same of those who have a delivery."""
    column = deliveries.c.user_id
    return _page(
        connection,
        select(column).distinct().where(deliveries.c.notification_id == notification.id),
        column,
        begin,
        size,
    )


def _page(
    connection: Connection, whom: Select[Any], column: ColumnElement[int], begin: int, size: int
) -> tuple[Sequence[int], int, bool]:
    user_ids = connection.execute(whom.where(column > begin).order_by(column).limit(size)).scalars().all()
    return user_ids, user_ids[-1] if user_ids else begin, len(user_ids) < size
