"""Take due deliveries for sending, and write down what became of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import (
    Connection,
    Row,
    SmallInteger,
    String,
    and_,
    case,
    func,
    insert,
    null,
    select,
    update,
)
from sqlalchemy.types import TypeEngine

from models.addresses.tables import addresses
from models.deliveries.fair_share import allocate, choose_tenants, waiting_tenants
from models.deliveries.lifecycle import Failure, State, Transition
from models.deliveries.tables import attempts, deliveries
from models.inbox.tables import inbox
from models.lanes import Lane
from models.notifications.content import Content, content_of
from models.notifications.tables import notifications
from models.retry import RetryPolicy
from models.sql.statements import in_ids, values_table
from models.sql.types import BigId, Instant
from models.users.tables import users

_RESULT: dict[str, TypeEngine[Any]] = {
    "id": BigId,
    "state": String(),
    "attempts": SmallInteger(),
    "due_at": Instant(),
    "failure": String(),
    "reason": String(),
    "provider_id": String(),
}


# A tuple, of which there is one for every recipient: a frozen dataclass takes more than twice as long to make.
class Claimed(NamedTuple):
    """A delivery that is ours to send until the lease ends. `attempts` counts this one already."""

    id: int
    attempts: int
    action: str
    mode: str
    content: Content
    user: str
    locale: str | None
    address_id: int
    address: str
    address_kind: str
    seq: int | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch under one lease. `skipped`: due, but settled without sending (expired, recalled, address gone …).

    `lease` None: these are recorded as sent already, and only what was not has to be written.
    """

    lease: UUID | None
    at: datetime
    ready: list[Claimed]
    skipped: int


def claim(
    connection: Connection,
    channel: str,
    policy: RetryPolicy,
    limit: int,
    lease_seconds: float,
    now: datetime,
    spin: float = 0.0,
) -> Claim:
    """Take up to `limit` due deliveries of the channel; each is counted as an attempt.

    Urgent lanes come first. Within a lane all tenants get shares by their weights, and what one does not need goes to
    the others; of very many tenants `spin` (0 to 1) says whose turn it is.

    Due are pending rows whose time has come and rows whose lease has ended with the worker that held it. Two workers
    never take the same row: it is skipped while locked, and no longer due once taken.
    """
    lease = uuid4()
    taken: list[Row[Any]] = []
    until = now + timedelta(seconds=lease_seconds)

    def take(lane: Lane, tenant: str, number: int) -> int:
        found = _take(connection, channel, lane, tenant, number, lease, now, until)
        taken.extend(found)
        return len(found)

    for lane in Lane:
        if len(taken) >= limit:
            break
        tenants = choose_tenants(waiting_tenants(connection, channel, lane, now), spin)
        while tenants and len(taken) < limit:
            given = allocate(tenants, limit - len(taken), spin)
            # Who had less than its share has no more.
            done = {tenant for tenant, share in given.items() if take(lane, tenant, share) < share}
            tenants = {tenant: weight for tenant, weight in tenants.items() if tenant not in done}
    if not taken:
        return Claim(lease, now, [], 0)
    contents = _contents(connection, {row.notification_id for row in taken})
    ready: list[Claimed] = []
    skipped: list[tuple[int, Transition]] = []
    for row in _details(connection, [row.id for row in taken]):
        content, mode, state = contents[row.notification_id]
        reason = _reason_to_skip(row, state, policy, now)
        if reason is not None:
            skipped.append((row.id, reason))
        else:
            ready.append(_claimed(row, content, mode))
    record(connection, lease, skipped, now)
    return Claim(lease, now, ready, len(skipped))


def _take(
    connection: Connection,
    channel: str,
    lane: Lane,
    tenant: str,
    limit: int,
    lease: UUID,
    now: datetime,
    until: datetime,
) -> Sequence[Row[Any]]:
    # In a CTE, because PostgreSQL may run a plain subquery more than once and so lock more than `limit` rows.
    due = (
        select(deliveries.c.id)
        .where(
            deliveries.c.channel == channel,
            deliveries.c.lane == lane,
            deliveries.c.tenant_id == tenant,
            deliveries.c.due_at <= now,
        )
        .order_by(deliveries.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    return connection.execute(
        update(deliveries)
        .where(deliveries.c.id.in_(select(due.c.id)))
        .values(state=State.SENDING.value, attempts=deliveries.c.attempts + 1, lease=lease, due_at=until)
        .returning(deliveries.c.id, deliveries.c.notification_id)
    ).all()


def _contents(connection: Connection, ids: Collection[UUID]) -> dict[UUID, tuple[Content, str, str]]:
    rows = connection.execute(select(notifications).where(notifications.c.id.in_(ids)))
    return {row.id: (content_of(row), row.mode, row.state) for row in rows}


def _details(connection: Connection, ids: Sequence[int]) -> Sequence[Any]:
    return connection.execute(
        select(
            deliveries.c.id,
            deliveries.c.notification_id,
            deliveries.c.channel,
            deliveries.c.attempts,
            deliveries.c.action,
            deliveries.c.address_id,
            deliveries.c.seq,
            deliveries.c.expires_at,
            users.c.external_id,
            users.c.locale,
            addresses.c.value,
            addresses.c.kind,
            addresses.c.disabled_at,
            case(
                (inbox.c.deleted_at.is_not(None), "deleted"),
                (inbox.c.archived_at.is_not(None), "archived"),
                (inbox.c.read_at.is_not(None), "read"),
            ).label("dealt_with"),
        )
        .join(users, users.c.id == deliveries.c.user_id)
        .outerjoin(addresses, and_(addresses.c.id == deliveries.c.address_id, addresses.c.user_id == users.c.id))
        .outerjoin(inbox, and_(inbox.c.user_id == users.c.id, inbox.c.notification_id == deliveries.c.notification_id))
        .where(in_ids(connection, deliveries.c.id, ids))
        .order_by(deliveries.c.id)
    ).all()


def _reason_to_skip(row: Row[Any], state: str, policy: RetryPolicy, now: datetime) -> Transition | None:
    unsent = row.attempts - 1
    if row.action == "show" and state in ("recalling", "recalled"):
        return Transition(State.CANCELLED, unsent, failure=Failure.POLICY, reason="recalled")
    # Whatever was on its way went when they did that; a dead letter that is sent again was not. An event of the log
    # goes out all the same: clients wait for its number, and know that it is read.
    if row.action == "show" and row.channel != "in_app" and row.dealt_with:
        return Transition(State.CANCELLED, unsent, failure=Failure.POLICY, reason=row.dealt_with)
    if row.expires_at <= now:
        return Transition(State.EXPIRED, unsent, failure=Failure.EXPIRED, reason="expired before it could be sent")
    if row.address_id and row.value is None:
        return Transition(State.SUPPRESSED, unsent, failure=Failure.POLICY, reason="the address was removed")
    if row.address_id and row.disabled_at is not None:
        return Transition(State.SUPPRESSED, unsent, failure=Failure.POLICY, reason="the address is disabled")
    # Attempts that end are judged when they end, so only lost ones can carry a row past its limit.
    if policy.exhausted(unsent):
        return Transition(
            State.DEAD, unsent, failure=Failure.WORKER_LOST, reason=f"the worker was lost in attempt {unsent}"
        )
    return None


def _claimed(row: Row[Any], content: Content, mode: str) -> Claimed:
    return Claimed(
        id=row.id,
        attempts=row.attempts,
        action=row.action,
        mode=mode,
        content=content,
        user=row.external_id,
        locale=row.locale,
        address_id=row.address_id,
        address=row.value or f"user:{row.external_id}",
        address_kind=row.kind or "",
        seq=row.seq,
        expires_at=row.expires_at,
    )


def record(connection: Connection, lease: UUID | None, results: Sequence[tuple[int, Transition]], now: datetime) -> int:
    """Write each transition, if the delivery is still ours. Returns how many were.

    A worker that outlived its lease, and a delivery acknowledged in the meantime, are left as they are. Without a lease
    ours is what is recorded as sent.
    """
    if not results:
        return 0
    new = values_table(connection, "new", _RESULT, [_as_row(row_id, transition) for row_id, transition in results])
    written = connection.execute(
        update(deliveries)
        .where(deliveries.c.id == new.c.id, deliveries.c.lease == lease if lease else deliveries.c.state == State.SENT)
        .values(
            state=new.c.state,
            attempts=new.c.attempts,
            due_at=new.c.due_at,
            failure=new.c.failure,
            reason=new.c.reason,
            provider_id=func.coalesce(new.c.provider_id, deliveries.c.provider_id),
            sent_at=case((new.c.state == State.SENT.value, now), else_=null()),
            lease=null(),
        )
    ).rowcount
    failed = [
        {"delivery_id": i, "number": t.attempts, "at": now, "failure": t.failure.value, "reason": _short(t.reason)}
        for i, t in results
        if t.failure is not None and t.failure not in (Failure.POLICY, Failure.EXPIRED)
    ]
    if failed:
        # Whoever is deleted meanwhile takes their deliveries along.
        named = in_ids(connection, deliveries.c.id, [row_id for row_id, _ in results])
        held = select(deliveries.c.id).where(named).with_for_update(read=True, key_share=True)
        there = set(connection.execute(held).scalars())
        if kept := [row for row in failed if row["delivery_id"] in there]:
            connection.execute(insert(attempts), kept)
    return written


def disable_addresses(connection: Connection, reasons: dict[int, str], sent_at: datetime, now: datetime) -> None:
    """Stop using these addresses (by id). One that was seen again after `sent_at` lives, and stays."""
    if not reasons:
        return
    gone = values_table(
        connection,
        "gone",
        {"id": BigId, "reason": String()},
        [(address_id, _short(reason)) for address_id, reason in sorted(reasons.items())],
    )
    connection.execute(
        update(addresses)
        .where(addresses.c.id == gone.c.id, addresses.c.last_seen_at <= sent_at)
        .values(disabled_at=now, disabled_reason=gone.c.reason)
    )


def _as_row(row_id: int, t: Transition) -> tuple[Any, ...]:
    failure = t.failure.value if t.failure else None
    return (row_id, t.state.value, t.attempts, t.due_at, failure, _short(t.reason), t.provider_id)


def _short(reason: str | None) -> str | None:
    return reason[:500] if reason else reason
