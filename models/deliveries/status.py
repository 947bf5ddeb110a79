"""What became of a notification's deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, and_, func, select

from models.deliveries.message import Action
from models.deliveries.tables import attempts, deliveries
from models.users.tables import users


class Delivery(NamedTuple):
    """A delivery, and the id of the user it is for. Its address is not included."""

    id: int
    notification_id: UUID
    tenant_id: str
    channel: str
    action: str
    state: str
    attempts: int
    due_at: datetime | None
    expires_at: datetime
    seq: int | None
    failure: str | None
    reason: str | None
    provider_id: str | None
    created_at: datetime
    sent_at: datetime | None
    acked_at: datetime | None
    user: str


class Attempt(NamedTuple):
    """An attempt that failed."""

    delivery_id: int
    number: int
    at: datetime
    failure: str
    reason: str


# The columns of a Delivery, in a SELECT that joins users.
COLUMNS = (*(deliveries.c[name] for name in Delivery._fields[:-1]), users.c.external_id.label("user"))


def count_deliveries(connection: Connection, notification_id: UUID) -> dict[str, dict[str, int]]:
    """The number of deliveries by channel and state, {channel: {state: number}}, without withdrawals."""
    rows = connection.execute(
        select(deliveries.c.channel, deliveries.c.state, func.count())
        .where(deliveries.c.notification_id == notification_id, deliveries.c.action == Action.SHOW.value)
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
) -> list[Delivery]:
    """Deliveries with an id above `after`, in the order of their ids, withdrawals included."""
    where = [deliveries.c.notification_id == notification_id, deliveries.c.id > after]
    if channel is not None:
        where.append(deliveries.c.channel == channel)
    if state is not None:
        where.append(deliveries.c.state == state)
    rows = connection.execute(
        select(*COLUMNS)
        .join(users, users.c.id == deliveries.c.user_id)
        .where(and_(*where))
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    return [Delivery._make(row) for row in rows]


def failed_attempts(connection: Connection, delivery_ids: Sequence[int]) -> dict[int, list[Attempt]]:
    """The failed attempts of these deliveries, oldest first."""
    rows = connection.execute(
        select(*(attempts.c[name] for name in Attempt._fields))
        .where(attempts.c.delivery_id.in_(delivery_ids))
        .order_by(attempts.c.id)
    )
    found: dict[int, list[Attempt]] = {}
    for row in rows:
        found.setdefault(row.delivery_id, []).append(Attempt._make(row))
    return found
