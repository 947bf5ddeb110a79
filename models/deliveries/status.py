"""Read what became of a notification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, func, select

from models.deliveries.tables import attempts, deliveries
from models.notifications.tables import notifications
from models.users.tables import users


def find_notification(connection: Connection, tenant_id: str, notification_id: UUID) -> Row[Any] | None:
    """The tenant's notification, or None."""
    return connection.execute(
        select(notifications).where(notifications.c.tenant_id == tenant_id, notifications.c.id == notification_id)
    ).one_or_none()


def count_deliveries(connection: Connection, notification_id: UUID) -> dict[str, dict[str, int]]:
    """How many deliveries stand where: {channel: {state: number}}, withdrawals not counted."""
    rows = connection.execute(
        select(deliveries.c.channel, deliveries.c.state, func.count())
        .where(deliveries.c.notification_id == notification_id, deliveries.c.action == "show")
        .group_by(deliveries.c.channel, deliveries.c.state)
        .order_by(deliveries.c.channel, deliveries.c.state)
    )
    counts: dict[str, dict[str, int]] = {}
    for channel, state, number in rows:
        counts.setdefault(channel, {})[state] = number
    return counts


def list_deliveries(
    connection: Connection,
    notification_id: UUID,
    *,
    after: int = 0,
    limit: int = 100,
    channel: str | None = None,
    state: str | None = None,
) -> Sequence[Row[Any]]:
    """Deliveries with an id above `after`, in order of id, each with the `user` it is for; withdrawals included."""
    where = [deliveries.c.notification_id == notification_id, deliveries.c.id > after]
    if channel is not None:
        where.append(deliveries.c.channel == channel)
    if state is not None:
        where.append(deliveries.c.state == state)
    return connection.execute(
        select(deliveries, users.c.external_id.label("user"))
        .join(users, users.c.id == deliveries.c.user_id)
        .where(and_(*where))
        .order_by(deliveries.c.id)
        .limit(limit)
    ).all()


def failed_attempts(connection: Connection, delivery_ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """The attempts of these deliveries that failed, oldest first."""
    rows = connection.execute(select(attempts).where(attempts.c.delivery_id.in_(delivery_ids)).order_by(attempts.c.id))
    found: dict[int, list[Row[Any]]] = {}
    for row in rows:
        found.setdefault(row.delivery_id, []).append(row)
    return found
