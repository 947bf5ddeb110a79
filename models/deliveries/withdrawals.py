"""Withdrawals: deliveries that remove from a device what an earlier delivery may have shown there."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, and_, case, exists, literal, or_, select, update

from models.channels import withdrawable
from models.deliveries.lifecycle import REFUSALS, UNCERTAIN, State
from models.deliveries.message import Action
from models.deliveries.tables import attempts, deliveries
from models.notifications.state import WITHDRAWN
from models.notifications.tables import notifications
from models.sql.statements import in_ids, insert_ignore

# What a withdrawal has in common with what it withdraws.
_SAME = ("notification_id", "tenant_id", "user_id", "channel", "address_id", "lane", "expires_at")

_SENT = (State.SENDING.value, State.SENT.value, State.ACKED.value)


def _may_have_arrived() -> ColumnElement[bool]:
    """Whether a device may show the delivery, whatever has become of it since."""
    # Of the attempts that count, a refusal is no arrival; the others ended in a bug, or with their worker.
    refused = and_(
        deliveries.c.state == State.DEAD.value, deliveries.c.failure.in_([failure.value for failure in REFUSALS])
    )
    unanswered = (
        attempts.c.delivery_id == deliveries.c.id,
        attempts.c.failure.in_([failure.value for failure in UNCERTAIN]),
    )
    return or_(
        deliveries.c.state.in_(_SENT),
        deliveries.c.attempts > case((refused, 1), else_=0),
        # Also those that do not count, and those from before a redrive.
        exists().where(*unanswered),
    )


def write_withdrawals(connection: Connection, now: datetime, *which: ColumnElement[bool]) -> set[str]:
    """Withdraw what may be on devices of these deliveries, on the channels that can. Returns the channels.

    What was withdrawn before is not withdrawn again. Call it before what is on its way is cancelled.
    """
    moment = literal(now, deliveries.c.created_at.type)
    sending = deliveries.c.state == State.SENDING.value
    columns = {
        **{name: deliveries.c[name] for name in _SAME},
        "action": literal(Action.WITHDRAW.value),
        "state": literal(State.PENDING.value),
        "attempts": literal(0),
        # Behind the one that is being sent this moment: it has arrived, or never will, when its lease ends.
        "due_at": case((sending, deliveries.c.due_at), else_=moment),
        "created_at": moment,
    }
    shown = select(*columns.values()).where(*which, deliveries.c.channel.in_(withdrawable()), _may_have_arrived())
    insert = insert_ignore(connection, deliveries).from_select(list(columns), shown)
    return set(connection.execute(insert.returning(deliveries.c.channel)).scalars())


def hasten(connection: Connection, delivery_ids: Collection[int], of: Collection[UUID], now: datetime) -> None:
    """Make the withdrawals of recalled deliveries due that wait for the results of these.

    `of` are the notifications of these deliveries. Almost always none of them was recalled, so that is looked up first.
    """
    recalled = connection.execute(
        select(notifications.c.id).where(
            notifications.c.id.in_(of), notifications.c.state.in_([state.value for state in WITHDRAWN])
        )
    ).scalars()
    if not (withdrawn := recalled.all()):
        return
    shown = deliveries.alias()
    same = (shown.c[name] == deliveries.c[name] for name in ("notification_id", "user_id", "channel", "address_id"))
    connection.execute(
        update(deliveries)
        .where(
            deliveries.c.notification_id.in_(withdrawn),
            deliveries.c.action == Action.WITHDRAW.value,
            deliveries.c.state == State.PENDING.value,
            deliveries.c.due_at > now,
            # Not one that waits because it failed itself.
            deliveries.c.attempts == 0,
            deliveries.c.failure.is_(None),
            exists().where(in_ids(connection, shown.c.id, list(delivery_ids)), *same),
        )
        .values(due_at=now)
    )
