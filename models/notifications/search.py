"""Find notifications, newest first, with a bound on what one look costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, Subquery, select

from models.deliveries.tables import deliveries
from models.lanes import Lane
from models.notifications.queries import COLUMNS, Notification
from models.notifications.tables import notifications
from models.timestamps import first_id
from models.users.tables import users

# Rows that one look reads, however few of them are what is searched for: 0.05 s on SQLite, 0.15 s on PostgreSQL.
SCAN = 10_000


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for: notifications that meet everything that is given.

    `text` is a part of the title, in any case. `since` (inclusive) and `until` (exclusive) are compared with the time
    in the ids, to the millisecond.
    """

    text: str | None = None
    id: UUID | None = None
    state: str | None = None
    type: str | None = None
    category: str | None = None
    lane: Lane | None = None
    user: str | None = None
    reference: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Those that no index answers: each row is looked at."""
        columns = notifications.c
        given: list[tuple[Any, ColumnElement[bool]]] = [
            (self.text, columns.title.icontains(self.text or "", autoescape=True)),
            (self.state, columns.state == self.state),
            (self.type, columns.type == self.type),
            (self.category, columns.category == self.category),
            (self.lane, columns.lane == self.lane),
        ]
        return [condition for value, condition in given if value is not None]

    def bounds(self, column: ColumnElement[UUID], before: UUID | None) -> list[ColumnElement[bool]]:
        """The range of ids, which an index answers."""
        bounds = []
        if self.id is not None:
            bounds.append(column == self.id)
        if before is not None:
            bounds.append(column < before)
        if self.since is not None:
            bounds.append(column >= first_id(self.since))
        if self.until is not None:
            bounds.append(column < first_id(self.until))
        return bounds


@dataclass(frozen=True, slots=True)
class Found:
    """Rows, newest first. `next`: go on below this id; None: that was all."""

    rows: Sequence[Notification]
    next: UUID | None


def search(
    connection: Connection, tenant_id: str, mode: str, what: Search, *, before: UUID | None = None, limit: int = 100
) -> Found:
    """The tenant's notifications of that mode, newest first, below the id `before`.

    Of a search that finds little, at most SCAN rows are read: it may return fewer than `limit`, or none, and a `next`.
    """
    conditions = what.conditions()
    # Where every row of the index will do, no more are read than are shown.
    most = SCAN if conditions or what.user is not None else limit + 1
    window = _window(tenant_id, mode, what, before).limit(most).subquery("window")
    query = select(*COLUMNS).join(window, window.c.id == notifications.c.id)
    # Those of the user are of both modes.
    query = query.where(notifications.c.tenant_id == tenant_id, notifications.c.mode == mode, *conditions)
    found = connection.execute(query.order_by(notifications.c.id.desc()).limit(limit + 1))
    rows = [Notification._make(row) for row in found]
    if len(rows) > limit:
        return Found(rows[:limit], rows[limit - 1].id)
    return Found(rows, _edge(connection, window))


def _window(tenant_id: str, mode: str, what: Search, before: UUID | None) -> Select[Any]:
    """The ids to look at, newest first, out of one index."""
    if what.user is not None:
        column: ColumnElement[UUID] = deliveries.c.notification_id
        owner = select(users.c.id).where(users.c.tenant_id == tenant_id, users.c.external_id == what.user)
        theirs = select(column.label("id")).distinct().where(deliveries.c.user_id == owner.scalar_subquery())
        return theirs.where(*what.bounds(column, before)).order_by(column.desc())
    column = notifications.c.id
    ids = select(column).where(notifications.c.tenant_id == tenant_id, notifications.c.mode == mode)
    if what.reference is not None:
        ids = ids.where(notifications.c.reference == what.reference)
    return ids.where(*what.bounds(column, before)).order_by(column.desc())


def _edge(connection: Connection, window: Subquery) -> UUID | None:
    """The last id of a window that is full: behind it there may be more."""
    edge = select(window.c.id).order_by(window.c.id.desc()).offset(SCAN - 1).limit(1)
    last: UUID | None = connection.execute(edge).scalar()
    return last
