"""What is due, for the relay and for metrics, and what is past retention."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, delete, exists, func, select

from models.channels import CHANNELS
from models.deliveries.expand import NEXT_PAGE
from models.deliveries.tables import deliveries
from models.lanes import Lane
from models.notifications.tables import notifications
from models.sql.locks import lock_rows
from models.sql.queue import take_due
from models.sql.statements import in_ids

MAX_COUNTED = 10_000


class DueNotification(NamedTuple):
    """A notification to ring for."""

    id: UUID
    lane: int


class Backlog(NamedTuple):
    """Deliveries that are due, up to MAX_COUNTED, and for how many seconds the oldest has been due."""

    number: int
    oldest: float


def due_notifications(connection: Connection, now: datetime, limit: int = 100) -> list[DueNotification]:
    """Notifications whose next page is overdue. Each is put off a little, so that the next look does not ring again."""
    found = take_due(
        connection,
        notifications,
        now,
        limit,
        now + NEXT_PAGE,
        returning=(notifications.c.id, notifications.c.lane),
    )
    return [DueNotification._make(row) for row in found]


def channels_with_work(connection: Connection, channels: Iterable[str], now: datetime) -> list[str]:
    """The channels that have a delivery due."""
    due = {c: exists().where(deliveries.c.channel == c, deliveries.c.due_at <= now) for c in channels}
    row = connection.execute(select(*[condition.label(c) for c, condition in due.items()])).one()
    return [channel for channel in due if getattr(row, channel)]


def backlog(connection: Connection, channel: str, now: datetime, lane: Lane | None = None) -> Backlog:
    """How much is due on the channel, or on one of its lanes."""
    of_lane = [] if lane is None else [deliveries.c.lane == lane]
    due = (
        select(deliveries.c.due_at)
        .where(deliveries.c.channel == channel, deliveries.c.due_at <= now, *of_lane)
        .limit(MAX_COUNTED)
        .subquery()
    )
    row = connection.execute(select(func.count().label("number"), func.min(due.c.due_at).label("oldest"))).one()
    return Backlog(row.number, max((now - row.oldest).total_seconds(), 0.0) if row.oldest else 0.0)


def lanes_backlog(connection: Connection, now: datetime) -> dict[tuple[str, Lane], Backlog]:
    """How much is due on each lane of each channel, where there is anything."""
    found: dict[tuple[str, Lane], Backlog] = {}
    for channel in channels_with_work(connection, CHANNELS, now):
        for lane in Lane:
            due = backlog(connection, channel, now, lane)
            if due.number:
                found[channel, lane] = due
    return found


def purge(connection: Connection, now: datetime, retention: timedelta, limit: int = 1000) -> int:
    """Delete up to `limit` deliveries past retention, or then as many of their notifications. Returns how many."""
    old = (notifications.c.expires_at <= now, notifications.c.created_at <= now - retention)
    expired = (
        select(deliveries.c.id)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(*old)
        .limit(limit)
    )
    these = in_ids(connection, deliveries.c.id, connection.execute(expired).scalars().all())
    lock_rows(connection, deliveries, these, to_delete=True)
    gone = connection.execute(delete(deliveries).where(these)).rowcount
    if gone:
        return gone
    empty = select(notifications.c.id).where(*old).limit(limit)
    return connection.execute(delete(notifications).where(notifications.c.id.in_(empty))).rowcount
