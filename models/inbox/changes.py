"""Change a user's inbox. Every change, its events and its withdrawals are one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Uuid, func, select, update

from models.deliveries.withdraw import withdraw
from models.events import log
from models.inbox.queries import Counts, Filter, count, own_ids
from models.inbox.tables import inbox
from models.notifications.tables import notifications
from models.rooms.names import room_is, user_room
from models.rooms.tables import rooms
from models.sql.locks import hold_rows, lock_rows
from models.sql.statements import values_table
from models.timestamps import iso
from models.users.tables import users

# Items in one transaction: the lock of the user's room is held for about a tenth of a second.
PAGE = 1000

# A count is true for a moment only. It is kept for any client that polls, and after a replay there is a new one.
COUNT_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Operation:
    """A change of items.

    It sets `column` to the time, or clears it (`clears`), unless that is done already. `also_seen`: the item counts as
    seen afterwards. `withdraws` is the reason recorded for deliveries that are no longer sent; None: none is withdrawn.
    """

    event: str
    column: str
    clears: bool = False
    also_seen: bool = True
    withdraws: str | None = None
    # What a whole page is announced as, by its filter; None: by its ids.
    event_of_page: str | None = None

    def values(self, now: datetime) -> dict[str, Any]:
        """What the UPDATE writes."""
        values: dict[str, Any] = {self.column: None if self.clears else now}
        if self.also_seen:
            values["seen_at"] = func.coalesce(inbox.c.seen_at, now)
        return values

    def undone(self) -> ColumnElement[bool]:
        """The items it still changes."""
        column = inbox.c[self.column]
        return column.is_not(None) if self.clears else column.is_(None)


SEEN = Operation("notification:seen", "seen_at", also_seen=False, event_of_page="notification:seen")
READ = Operation("notification:read", "read_at", withdraws="read", event_of_page="notification:read_all")
UNREAD = Operation("notification:unread", "read_at", clears=True)
ARCHIVE = Operation("notification:archived", "archived_at", withdraws="archived")
UNARCHIVE = Operation("notification:unarchived", "archived_at", clears=True)
DELETE = Operation("notification:deleted", "deleted_at", withdraws="deleted")


@dataclass(frozen=True, slots=True)
class Changed:
    """The items that changed, newest first. If there are none, nothing was written or published.

    `known`: any of those that were named is or was in the inbox.
    `counts` are those after the change. `push_due`: withdrawals are due, ring for them. `more`: the page was full, call
    again.
    """

    ids: list[UUID]
    counts: Counts | None = None
    push_due: bool = False
    more: bool = False
    known: bool = False


def change_items(
    connection: Connection, tenant_id: str, user: str, operation: Operation, ids: Sequence[UUID], now: datetime
) -> Changed:
    """Change these items of the user, at most PAGE. Ids of items that are not theirs are ignored."""
    user_id = _lock(connection, tenant_id, user)
    if user_id is None or not ids:
        return Changed([])
    chosen = values_table(connection, "chosen", {"id": Uuid()}, [(n.hex,) for n in ids])
    changed, expires_at = _update(connection, user_id, operation, select(chosen.c.id), now)
    if not changed:
        return Changed([])
    data = _named(connection, changed) | _column(operation, now)
    log.append(connection, tenant_id, user_room(user), operation.event, data, now, expires_at)
    return _finish(connection, tenant_id, user, user_id, operation, changed, now)


def change_page(
    connection: Connection,
    tenant_id: str,
    user: str,
    operation: Operation,
    which: Filter,
    now: datetime,
    limit: int = PAGE,
) -> Changed:
    """Do it to the oldest `limit` items that the filter means.

    Oldest first, so that what the event of a page says holds by itself: all that the filter means, up to `up_to`.
    """
    user_id = _lock(connection, tenant_id, user)
    if user_id is None:
        return Changed([])
    # _update looks at deleted and expired items again; here they must not take up the page.
    page = (
        select(inbox.c.notification_id)
        .join(notifications, notifications.c.id == inbox.c.notification_id)
        .where(
            inbox.c.user_id == user_id,
            inbox.c.deleted_at.is_(None),
            inbox.c.expires_at > now,
            operation.undone(),
            *which.conditions(),
        )
        .order_by(inbox.c.notification_id)
        .limit(limit)
        .correlate(None)
    )
    changed, expires_at = _update(connection, user_id, operation, page, now)
    if not changed:
        return Changed([])
    if operation.event_of_page is None:
        event, data = operation.event, _named(connection, changed)
    else:
        said = {"category": which.category, "type": which.type, "level": which.level}
        event = operation.event_of_page
        data = {name: value for name, value in said.items() if value is not None}
        data |= {"up_to": str(changed[0]), "count": len(changed)}
    data |= _column(operation, now)
    log.append(connection, tenant_id, user_room(user), event, data, now, expires_at)
    more = len(changed) == limit
    return _finish(connection, tenant_id, user, user_id, operation, changed, now, more)


def _lock(connection: Connection, tenant_id: str, user: str) -> int | None:
    """Return the user's row id, with their room locked until the commit. None if there is no such user.

    The room is locked before what is in it, as everywhere: changes of one inbox wait for each other here, before they
    touch anything, and the counts that are announced last are true.
    """
    # Withdrawals are rows about the user.
    held = hold_rows(connection, users, users.c.tenant_id == tenant_id, users.c.external_id == user)
    lock_rows(connection, rooms, room_is(tenant_id, user_room(user)))
    return held[0] if held else None


def _update(
    connection: Connection, user_id: int, operation: Operation, ids: Any, now: datetime
) -> tuple[list[UUID], datetime]:
    """(the changed items, newest first; when the last of them expires)."""
    changed = connection.execute(
        update(inbox)
        .where(
            inbox.c.user_id == user_id,
            inbox.c.notification_id.in_(ids),
            inbox.c.deleted_at.is_(None),
            inbox.c.expires_at > now,
            operation.undone(),
        )
        .values(operation.values(now))
        .returning(inbox.c.notification_id, inbox.c.expires_at)
    ).all()
    newest_first = sorted((row.notification_id for row in changed), reverse=True)
    return newest_first, max((row.expires_at for row in changed), default=now)


def _finish(
    connection: Connection,
    tenant_id: str,
    user: str,
    user_id: int,
    operation: Operation,
    changed: list[UUID],
    now: datetime,
    more: bool = False,
) -> Changed:
    push_due = False
    if operation.withdraws is not None:
        push_due = withdraw(connection, user_id, changed, operation.withdraws, now)
    counts = count(connection, user_id, now)
    log.append(connection, tenant_id, user_room(user), "notification:count", counts.data(), now, now + COUNT_KEPT)
    return Changed(changed, counts, push_due, more, known=True)


def _named(connection: Connection, changed: Sequence[UUID]) -> dict[str, Any]:
    ids = [str(n) for n in changed]
    # Clients that know one id only get one of them; the counts correct the rest.
    named = {"id": ids[0], "notification_id": ids[0], "ids": ids}
    own = own_ids(connection, changed)
    return named | {"own_ids": [own.get(n, str(n)) for n in changed]} if own else named


def _column(operation: Operation, now: datetime) -> dict[str, str | None]:
    return {operation.column: None if operation.clears else iso(now)}
