"""From a notification to its events and deliveries: one page of the audience in one transaction.

`read_page` finds the users of a page and takes its locks, `write_page` writes it. Between the two the caller can ring
for the next page, which another worker then reads while this one is written (docs/adr/0019).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, String, func, select, text, update
from sqlalchemy.exc import OperationalError

from models.deliveries.message import Batch
from models.deliveries.tables import deliveries
from models.deliveries.take_back import take_back
from models.deliveries.write_deliveries import write_deliveries
from models.notifications.queries import COLUMNS, Notification
from models.notifications.state import NotificationState
from models.notifications.tables import notifications
from models.sql.locks import hold_rows
from models.sql.statements import in_ids, is_lock_timeout, values_table
from models.topics.tables import subscriptions
from models.users.queries import Person, merge, upsert_users
from models.users.tables import users

# Users in one transaction: a page's locks are held for some tens of milliseconds.
PAGE = 1000

# If the next page is not written by then, the relay rings again.
NEXT_PAGE = timedelta(seconds=5)

# How long a page waits for the page before it while it holds its rooms (milliseconds). Less than PostgreSQL's
# deadlock_timeout, so that in a circle of waiting it is the page that lets go.
MAX_WAIT_WITH_ROOMS = 300


class PageConflict(Exception):
    """The page cannot be written: the page before it never was, or the notification is being recalled."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the audience that this transaction alone can write.

    It begins at `start` and the next one at `end`, unless this is the last (`finished`). `is_next`: the page before it
    has been committed.
    """

    notification: Notification
    user_ids: Sequence[int]
    start: int
    end: int
    finished: bool
    is_next: bool

    @property
    def lane(self) -> int:
        """The lane of the notification."""
        return self.notification.lane

    @property
    def recalls(self) -> bool:
        """Whether the page takes the notification back."""
        return self.notification.state == NotificationState.RECALLING


@dataclass(frozen=True, slots=True)
class Written:
    """What a page wrote: the channels that now have deliveries to claim, and the in-app batch to publish.

    An in-app delivery is sent by being in the log: a connected client is owed it from then on, and gets it within
    seconds even if it is never published (docs/adr/0018).
    """

    channels: frozenset[str]
    in_app: Batch | None = None


class _Slice(NamedTuple):
    user_ids: Sequence[int]
    end: int
    finished: bool


def read_page(
    connection: Connection, notification_id: UUID, now: datetime, size: int = PAGE, start: int | None = None
) -> Page | None:
    """Read the next page of an accepted notification, or of its recall, or the page that begins at `start`.

    None if there is nothing to do: finished, unknown, or another transaction has the page. A page that begins at
    `start` can be read before the one before it is committed; `write_page` then waits for that one.
    """
    open_ = (notifications.c.id == notification_id, notifications.c.due_at.is_not(None))
    if start is None:
        start = connection.scalar(select(notifications.c.cursor).where(*open_))
    if start is None or not _try_lock_page(connection, notification_id, start):
        return None
    # Read after the lock was taken: the transaction that had it before has moved the cursor.
    row = connection.execute(select(*COLUMNS).where(*open_)).one_or_none()
    if row is None or start < row.cursor:
        return None
    notification = Notification._make(row)
    recalls = notification.state == NotificationState.RECALLING
    found = (
        _recipients(connection, notification_id, start, size)
        if recalls
        else _audience(connection, notification, start, size, now)
    )
    if not found.finished:
        # The worker that writes the next page waits for this lock, and so for the commit of this page.
        _lock_end(connection, notification_id, found.end)
    return Page(notification, found.user_ids, start, found.end, found.finished, start == notification.cursor)


def write_page(connection: Connection, page: Page, now: datetime) -> Written:
    """Write a page in the transaction that read it. Waits for the page before it, if that is not committed yet.

    The page and the cursor are committed together, so a crash repeats nothing and skips nothing. Raises PageConflict;
    the transaction has to be rolled back then.
    """
    written = _write_in_turn(connection, page, now)
    if page.finished:
        state = NotificationState.RECALLED if page.recalls else NotificationState.EXPANDED
    else:
        state = NotificationState(page.notification.state)
    moved = connection.execute(
        update(notifications)
        .where(
            notifications.c.id == page.notification.id,
            notifications.c.cursor == page.start,
            notifications.c.state == page.notification.state,
        )
        .values(
            cursor=page.end,
            recipients=notifications.c.recipients + (0 if page.recalls else len(page.user_ids)),
            state=state.value,
            due_at=None if page.finished else now + NEXT_PAGE,
        )
    )
    if not moved.rowcount:
        raise PageConflict
    return written


def _write_in_turn(connection: Connection, page: Page, now: datetime) -> Written:
    """Write the page, and wait for the one before it if that is not committed."""
    notification_id = page.notification.id
    if not page.is_next and connection.dialect.name == "postgresql":
        try:
            with connection.begin_nested():
                written = _write(connection, page, now)
                connection.execute(text(f"SET LOCAL lock_timeout = {MAX_WAIT_WITH_ROOMS}"))
                _lock_end(connection, notification_id, page.start)
        except OperationalError as error:
            if not is_lock_timeout(error):
                raise
        else:
            connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
            return written
        # The page before may itself wait for a transaction that waits for a room of ours: let go of the rooms, wait,
        # and write afterwards.
        _lock_end(connection, notification_id, page.start)
    return _write(connection, page, now)


def _write(connection: Connection, page: Page, now: datetime) -> Written:
    if not page.user_ids:
        return Written(frozenset())
    if page.recalls:
        return Written(frozenset(take_back(connection, page.notification, page.user_ids, now)))
    channels, in_app = write_deliveries(connection, page.notification, page.user_ids, now)
    return Written(frozenset(channels), in_app)


def _try_lock_page(connection: Connection, notification_id: UUID, start: int) -> bool:
    """Whether no other transaction has the page that begins there; until the end of this one none will."""
    return bool(_try_locks(connection, {f"page {notification_id} {start}": notification_id}))


def try_lock_pages(connection: Connection, ids: Sequence[UUID]) -> list[UUID]:
    """Those of these notifications whose first page no other transaction has; until the end of this one none will."""
    return _try_locks(connection, {f"page {notification_id} 0": notification_id for notification_id in ids})


def _try_locks(connection: Connection, pages: Mapping[str, UUID]) -> list[UUID]:
    # Not by the row of the notification: a page needs that only at its end, to move the cursor.
    if connection.dialect.name == "sqlite":
        return [*pages.values()]
    names = values_table(connection, "names", {"name": String()}, [(name,) for name in sorted(pages)])
    taken = select(names.c.name, func.pg_try_advisory_xact_lock(_key(names.c.name)))
    return [pages[name] for name, locked in connection.execute(taken) if locked]


def _lock_end(connection: Connection, notification_id: UUID, end: int) -> None:
    """Wait for the transaction that writes the page that ends there; a later one waits for us."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_key(f"end {notification_id} {end}"))))


def _key(name: str | ColumnElement[str]) -> ColumnElement[int]:
    return func.hashtextextended(name, 0)


def _audience(connection: Connection, notification: Notification, start: int, size: int, now: datetime) -> _Slice:
    """The users of the page, created if the request names them."""
    audience = notification.audience
    if "users" in audience:
        # Merged before they are paged: a page that names a user again must not see less of them than the one before.
        people = merge(Person(**person) for person in audience["users"])
        if notification.mode == "test":
            # Both modes share users: a test must not change where live mail goes.
            people = [Person(person.id) for person in people]
        end = min(start + size, len(people))
        users_of_page = upsert_users(connection, notification.tenant_id, people[start:end], now)
        return _Slice(users_of_page, end, end >= len(people))
    if "topic" in audience:
        column = subscriptions.c.user_id
        members = select(column).where(
            subscriptions.c.tenant_id == notification.tenant_id, subscriptions.c.topic == audience["topic"]
        )
    else:
        column = users.c.id
        members = select(column).where(users.c.tenant_id == notification.tenant_id)
    return _slice(connection, members, column, start, size)


def _recipients(connection: Connection, notification_id: UUID, start: int, size: int) -> _Slice:
    """The users of the page of a recall: those who have a delivery."""
    column = deliveries.c.user_id
    members = select(column).distinct().where(deliveries.c.notification_id == notification_id)
    return _slice(connection, members, column, start, size)


def _slice(connection: Connection, members: Select[Any], column: ColumnElement[int], start: int, size: int) -> _Slice:
    found = connection.execute(members.where(column > start).order_by(column).limit(size)).scalars().all()
    # Those who are deleted at this moment have nobody to go to.
    user_ids = hold_rows(connection, users, in_ids(connection, users.c.id, found))
    return _Slice(user_ids, found[-1] if found else start, len(found) < size)
