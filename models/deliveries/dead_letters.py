"""Dead letters: deliveries that ended in failure. A redrive makes them pending again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, null, select, update

from models.deliveries.lifecycle import Failure, State
from models.deliveries.status import COLUMNS, Delivery
from models.deliveries.tables import deliveries
from models.notifications.tables import notifications
from models.users.tables import users

# A summary is asked for every few seconds, so it stops counting here and says so.
MAX_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class DeadFilter:
    """Which dead letters are meant. `tenant_id` None means every tenant: for operators only."""

    tenant_id: str | None = None
    mode: str | None = None
    failure: Failure | None = None
    channel: str | None = None
    notification_id: UUID | None = None
    ids: Sequence[int] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As a WHERE clause over deliveries joined with notifications."""
        where: list[ColumnElement[bool]] = [deliveries.c.state == State.DEAD.value]
        if self.tenant_id is not None:
            where.append(notifications.c.tenant_id == self.tenant_id)
        if self.mode is not None:
            where.append(notifications.c.mode == self.mode)
        if self.failure is not None:
            where.append(deliveries.c.failure == self.failure.value)
        if self.channel is not None:
            where.append(deliveries.c.channel == self.channel)
        if self.notification_id is not None:
            where.append(deliveries.c.notification_id == self.notification_id)
        if self.ids is not None:
            where.append(deliveries.c.id.in_(self.ids))
        return where


def list_dead(connection: Connection, which: DeadFilter, *, after: int = 0, limit: int = 100) -> list[Delivery]:
    """Dead deliveries with an id above `after`, in the order of their ids."""
    rows = connection.execute(
        select(*COLUMNS)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .join(users, users.c.id == deliveries.c.user_id)
        .where(*which.conditions(), deliveries.c.id > after)
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    return [Delivery._make(row) for row in rows]


def count_dead(connection: Connection, which: DeadFilter) -> dict[str, int]:
    """How many dead letters there are of each failure class."""
    rows = connection.execute(
        select(deliveries.c.failure, func.count().label("number"))
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(*which.conditions())
        .group_by(deliveries.c.failure)
    )
    return {row.failure: row.number for row in rows}


def count_classes(connection: Connection) -> dict[str, int]:
    """How many dead letters of all tenants there are of each failure class, of at most MAX_COUNTED."""
    some = select(deliveries.c.failure).where(deliveries.c.state == State.DEAD.value).limit(MAX_COUNTED).subquery()
    rows = connection.execute(select(some.c.failure, func.count().label("number")).group_by(some.c.failure))
    return {row.failure: row.number for row in rows}


class DeadGroup(NamedTuple):
    """Dead letters that have these in common."""

    tenant: str
    mode: str
    channel: str
    failure: str
    number: int


class DeadSummary(NamedTuple):
    """Groups of dead letters, the largest first. `truncated`: there are more than were counted."""

    groups: list[DeadGroup]
    truncated: bool


def summarise(connection: Connection, which: DeadFilter) -> DeadSummary:
    """Count dead letters by tenant, mode, channel and failure class; at most MAX_COUNTED of them."""
    some = (
        select(
            notifications.c.tenant_id.label("tenant"), notifications.c.mode, deliveries.c.channel, deliveries.c.failure
        )
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(*which.conditions())
        .limit(MAX_COUNTED)
        .subquery()
    )
    number = func.count().label("number")
    rows = connection.execute(select(*some.c, number).group_by(*some.c).order_by(number.desc(), *some.c))
    groups = [DeadGroup._make(row) for row in rows]
    return DeadSummary(groups, sum(group.number for group in groups) >= MAX_COUNTED)


def redrive(connection: Connection, which: DeadFilter, now: datetime, limit: int = 1000) -> int:
    """Make up to `limit` dead letters pending again, with no attempts spent. Returns how many.

    One that has expired stays dead: it would only expire again.
    """
    chosen = (
        select(deliveries.c.id)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(*which.conditions(), deliveries.c.expires_at > now)
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    return connection.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(chosen), deliveries.c.state == State.DEAD.value)
        .values(state=State.PENDING.value, attempts=0, due_at=now, failure=null(), reason=null())
    ).rowcount
