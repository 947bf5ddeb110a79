"""Claim due deliveries for sending."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, or_, select

from models.addresses.tables import addresses
from models.channels import CHANNELS
from models.deliveries.fair_share import allocate, choose_tenants, waiting_tenants
from models.deliveries.gate import Candidate, gate
from models.deliveries.lifecycle import State, Transition
from models.deliveries.message import Action, Batch, Message, Settled
from models.deliveries.record import record
from models.deliveries.tables import attempts, deliveries
from models.inbox.tables import inbox
from models.lanes import Lane
from models.notifications.content import Content, content_of
from models.notifications.tables import notifications
from models.retry import RetryPolicy
from models.rooms.names import user_room
from models.sql.locks import hold_rows
from models.sql.queue import take_due
from models.sql.statements import in_ids
from models.users.tables import users


def claim(
    connection: Connection,
    channel: str,
    policy: RetryPolicy,
    limit: int,
    lease_seconds: float,
    now: datetime,
    offset: float = 0.0,
    leases_now: datetime | None = None,
) -> Batch:
    """Take up to `limit` due deliveries of the channel under one lease. Each is counted as an attempt.

    Urgent lanes come first. Within a lane every tenant gets a share by its weight, and what one does not need goes to
    the others. With very many tenants, `offset` (0 to 1) decides which of them this batch serves.

    Due are pending deliveries whose time has come, and those whose lease has run out. `leases_now` is the time for
    leases, if it is an earlier one: after the clock was put forward.
    """
    lease = uuid4()
    until = now + timedelta(seconds=lease_seconds)
    taken: list[Row[Any]] = []
    in_time: list[ColumnElement[bool]] = []
    if leases_now is not None and leases_now < now:
        in_time = [or_(deliveries.c.state == State.PENDING.value, deliveries.c.due_at <= leases_now)]

    def take(lane: Lane, tenant: str, number: int) -> int:
        found = take_due(
            connection,
            deliveries,
            now,
            number,
            until,
            deliveries.c.channel == channel,
            deliveries.c.lane == lane,
            deliveries.c.tenant_id == tenant,
            *in_time,
            returning=(deliveries.c.id, deliveries.c.notification_id),
            also={"state": State.SENDING.value, "attempts": deliveries.c.attempts + 1, "lease": lease},
        )
        taken.extend(found)
        return len(found)

    for lane in Lane:
        if len(taken) >= limit:
            break
        tenants = choose_tenants(waiting_tenants(connection, channel, lane, now), offset)
        while tenants and len(taken) < limit:
            shares = allocate(tenants, limit - len(taken), offset)
            # A tenant that had less than its share has no more.
            exhausted = {tenant for tenant, share in shares.items() if take(lane, tenant, share) < share}
            tenants = {tenant: weight for tenant, weight in tenants.items() if tenant not in exhausted}
    if not taken:
        return Batch([], now, lease)
    return _gated(connection, channel, policy, taken, lease, now)


def _gated(
    connection: Connection, channel: str, policy: RetryPolicy, taken: Sequence[Row[Any]], lease: UUID, now: datetime
) -> Batch:
    """The deliveries that can go out; the others are settled."""
    numbered = CHANNELS[channel].addressed_by == "room"
    contents = _contents(connection, {row.notification_id for row in taken})
    messages: list[Message] = []
    ended: list[tuple[Any, Transition]] = []
    for row in _details(connection, [row.id for row in taken]):
        notification = contents[row.notification_id]
        transition = gate(
            Candidate(
                action=row.action,
                notification_state=notification.state,
                numbered=numbered,
                handled=row.handled,
                expires_at=row.expires_at,
                attempts=row.attempts,
                address_trouble=_address_trouble(row),
                failed=row.failed,
            ),
            policy,
            now,
        )
        if transition is not None:
            ended.append((row, transition))
        else:
            messages.append(_message(row, notification))
    if ended:
        # PostgreSQL checks the foreign key of a row that is changed twice in a transaction, and would wait for whoever
        # deletes its user, and they for us.
        named = in_ids(connection, users.c.id, sorted({row.user_id for row, _ in ended}))
        held = set(hold_rows(connection, users, named, skip_locked=True))
        ended = [(row, transition) for row, transition in ended if row.user_id in held]
        record(connection, lease, [(row.id, transition) for row, transition in ended], now)
    settled = [
        Settled(contents[row.notification_id].content.tenant, contents[row.notification_id].mode, transition)
        for row, transition in ended
    ]
    return Batch(messages, now, lease, settled)


def _address_trouble(row: Any) -> str | None:
    """Why the address of a delivery cannot be used; None: it can, or the delivery goes to a room."""
    if not row.address_id:
        return None
    if row.owner is None:
        return "the address was removed"
    if row.owner != row.user_id:
        return "the device moved to another user"
    return f"the address is disabled: {row.disabled_reason}" if row.disabled_at is not None else None


class _Notification(NamedTuple):
    content: Content
    mode: str
    state: str


def _contents(connection: Connection, ids: Collection[UUID]) -> dict[UUID, _Notification]:
    found = connection.execute(select(notifications).where(notifications.c.id.in_(ids)))
    return {row.id: _Notification(content_of(row), row.mode, row.state) for row in found}


def _details(connection: Connection, ids: Sequence[int]) -> Sequence[Any]:
    return connection.execute(
        select(
            deliveries.c.id,
            deliveries.c.notification_id,
            deliveries.c.attempts,
            _failed().label("failed"),
            deliveries.c.action,
            deliveries.c.address_id,
            deliveries.c.user_id,
            deliveries.c.seq,
            deliveries.c.expires_at,
            users.c.external_id,
            users.c.locale,
            addresses.c.user_id.label("owner"),
            addresses.c.value,
            addresses.c.kind,
            addresses.c.disabled_at,
            addresses.c.disabled_reason,
            case(
                (inbox.c.deleted_at.is_not(None), "deleted"),
                (inbox.c.archived_at.is_not(None), "archived"),
                (inbox.c.read_at.is_not(None), "read"),
            ).label("handled"),
        )
        .join(users, users.c.id == deliveries.c.user_id)
        .outerjoin(addresses, addresses.c.id == deliveries.c.address_id)
        .outerjoin(inbox, and_(inbox.c.user_id == users.c.id, inbox.c.notification_id == deliveries.c.notification_id))
        .where(in_ids(connection, deliveries.c.id, ids))
        .order_by(deliveries.c.id)
    ).all()


def _failed() -> ColumnElement[int]:
    """The number of the delivery's attempts that failed since it was created or redriven."""
    last = (
        select(attempts.c.number)
        .where(attempts.c.delivery_id == deliveries.c.id)
        # By time, although the ids say the same: for an order of ids, PostgreSQL may read the table backwards.
        .order_by(attempts.c.at.desc(), attempts.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    # A redrive removes the failure. Most deliveries have none, and need no look into the other table.
    return case((deliveries.c.failure.is_(None), 0), else_=func.coalesce(last, 0))


def _message(row: Any, notification: _Notification) -> Message:
    return Message(
        delivery_id=row.id,
        attempt=row.attempts,
        action=Action(row.action),
        content=notification.content,
        user=row.external_id,
        address=row.value or user_room(row.external_id),
        address_kind=row.kind or "",
        locale=row.locale,
        seq=row.seq,
        mode=notification.mode,
        address_id=row.address_id,
        failed=row.failed,
    )
