"""What the relay and the housekeeping look for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, delete, exists, func, select, update

from models.deliveries.expand import NEXT_PAGE
from models.deliveries.tables import deliveries
from models.notifications.tables import notifications


def due_notifications(connection: Connection, now: datetime, limit: int = 100) -> list[tuple[UUID, int]]:
    """Notifications whose next page is overdue, with their lanes.

    Each is put off a little, so that the next look does not ring again.
    """
    due = (
        select(notifications.c.id)
        .where(notifications.c.due_at <= now)
        .order_by(notifications.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    found = connection.execute(
        update(notifications)
        .where(notifications.c.id.in_(select(due.c.id)))
        .values(due_at=now + NEXT_PAGE)
        .returning(notifications.c.id, notifications.c.lane)
    )
    return [(row.id, row.lane) for row in found]


def channels_with_work(connection: Connection, channels: Iterable[str], now: datetime) -> list[str]:
    """The channels that have a delivery due."""
    due = {c: exists().where(deliveries.c.channel == c, deliveries.c.due_at <= now) for c in channels}
    row = connection.execute(select(*[condition.label(c) for c, condition in due.items()])).one()
    return [channel for channel in due if getattr(row, channel)]


def backlog(connection: Connection, channel: str, now: datetime) -> tuple[int, float]:
    """(deliveries due on the channel, counted up to 10,000; the age of the oldest in seconds)."""
    due = (
        select(deliveries.c.due_at)
        .where(deliveries.c.channel == channel, deliveries.c.due_at <= now)
        .limit(10_000)
        .subquery()
    )
    row = connection.execute(select(func.count().label("number"), func.min(due.c.due_at).label("oldest"))).one()
    return row.number, max((now - row.oldest).total_seconds(), 0.0) if row.oldest else 0.0


def purge(connection: Connection, now: datetime, retention: timedelta, limit: int = 1000) -> int:
    """Delete up to `limit` deliveries past retention, or then as many of their notifications. Returns how many."""
    old = (notifications.c.expires_at <= now, notifications.c.created_at <= now - retention)
    doomed = (
        select(deliveries.c.id)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(*old)
        .limit(limit)
    )
    gone = connection.execute(delete(deliveries).where(deliveries.c.id.in_(doomed))).rowcount
    if gone:
        return gone
    empty = select(notifications.c.id).where(*old).limit(limit)
    return connection.execute(delete(notifications).where(notifications.c.id.in_(empty))).rowcount
