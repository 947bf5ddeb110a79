"""What became of a notification's deliveries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, and_, func, or_, select

from models.deliveries.lifecycle import State
from models.deliveries.message import Action
from models.deliveries.tables import attempts, deliveries
from models.notifications.tables import notifications
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


def count_deliveries(
    connection: Connection, notification_id: UUID, action: Action = Action.SHOW
) -> dict[str, dict[str, int]]:
    """The number of deliveries of that action by channel and state, {channel: {state: number}}."""
    rows = connection.execute(
        select(deliveries.c.channel, deliveries.c.state, func.count())
        .where(deliveries.c.notification_id == notification_id, deliveries.c.action == action.value)
        .group_by(deliveries.c.channel, deliveries.c.state)
        .order_by(deliveries.c.channel, deliveries.c.state)
    )
    counts: dict[str, dict[str, int]] = {}
    for channel, state, number in rows:
        counts.setdefault(channel, {})[state] = number
    return counts


# Reasons can quote providers, so there can be as many as deliveries. The largest groups are told.
MAX_GROUPS = 50

# What needs a reason: a delivery that did not arrive, or not yet.
_UNSENT = [State.DEAD, State.EXPIRED, State.SUPPRESSED, State.CANCELLED]


class Outcome(NamedTuple):
    """Deliveries that are in the same state for the same reason."""

    channel: str
    state: str
    failure: str | None
    reason: str | None
    number: int


def count_reasons(connection: Connection, notification_id: UUID) -> list[Outcome]:
    """Why deliveries of the notification did not arrive: the MAX_GROUPS largest groups, without withdrawals."""
    number = func.count().label("number")
    columns = (deliveries.c.channel, deliveries.c.state, deliveries.c.failure, deliveries.c.reason)
    rows = connection.execute(
        select(*columns, number)
        .where(
            deliveries.c.notification_id == notification_id,
            deliveries.c.action == Action.SHOW.value,
            deliveries.c.state.in_([state.value for state in _UNSENT]),
        )
        .group_by(*columns)
        .order_by(number.desc(), *columns)
        .limit(MAX_GROUPS)
    )
    return [Outcome._make(row) for row in rows]


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


class UserDelivery(NamedTuple):
    """A delivery to a user, and the title of its notification."""

    delivery: Delivery
    title: str


def list_user_deliveries(
    connection: Connection,
    tenant_id: str,
    mode: str,
    user: str,
    *,
    before: tuple[UUID, int] | None = None,
    limit: int = 100,
    channel: str | None = None,
    state: str | None = None,
) -> list[UserDelivery]:
    """The user's deliveries, those of the newest notification first, below the position `before` (notification, id).

    In this order an index finds them, however many other users a notification has.
    """
    owner = select(users.c.id).where(users.c.tenant_id == tenant_id, users.c.external_id == user).scalar_subquery()
    where = [deliveries.c.user_id == owner, notifications.c.mode == mode]
    if before is not None:
        notification_id, id_ = before
        where.append(deliveries.c.notification_id <= notification_id)
        where.append(or_(deliveries.c.notification_id < notification_id, deliveries.c.id < id_))
    if channel is not None:
        where.append(deliveries.c.channel == channel)
    if state is not None:
        where.append(deliveries.c.state == state)
    rows = connection.execute(
        select(*COLUMNS, notifications.c.title)
        .join(users, users.c.id == deliveries.c.user_id)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(*where)
        .order_by(deliveries.c.notification_id.desc(), deliveries.c.id.desc())
        .limit(limit)
    )
    return [UserDelivery(Delivery._make(row[:-1]), row.title) for row in rows]


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
