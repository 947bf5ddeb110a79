"""Withdraw from other devices what the user has read, archived or deleted on one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Uuid, and_, case, func, literal, null, or_, select, update

from models.channels import IN_APP, withdrawable
from models.deliveries.lifecycle import OPEN, Failure, State
from models.deliveries.message import Action
from models.deliveries.tables import deliveries
from models.sql.statements import insert_ignore, values_table

# What a withdrawal has in common with what it takes back.
_SAME = ("notification_id", "tenant_id", "user_id", "channel", "address_id", "lane", "expires_at")


def withdraw(
    connection: Connection, user_id: int, notification_ids: Sequence[UUID], reason: str, now: datetime
) -> bool:
    """Settle all deliveries of these notifications to the user, and take back what their devices show.

    Deliveries that are on their way elsewhere are cancelled for `reason`. In-app deliveries count as acknowledged: the
    user has acted on them. Returns whether withdrawals are due now. The caller holds the lock of the user's room.
    """
    chosen = values_table(connection, "chosen", {"id": Uuid()}, [(n.hex,) for n in notification_ids])
    theirs = (
        deliveries.c.user_id == user_id,
        deliveries.c.notification_id.in_(select(chosen.c.id)),
        deliveries.c.action == Action.SHOW.value,
    )
    in_app = deliveries.c.channel == IN_APP
    unsettled = (
        *theirs,
        or_(
            deliveries.c.state.in_([state.value for state in OPEN]),
            and_(in_app, deliveries.c.state == State.SENT.value),
        ),
    )
    if connection.dialect.name == "postgresql":
        # In the order in which workers record their batches; they lock no room.
        ordered = (
            select(deliveries.c.id)
            .where(*unsettled)
            .order_by(deliveries.c.id)
            .with_for_update(key_share=True)
            .subquery()
        )
        connection.execute(select(func.count()).select_from(ordered))
    moment = literal(now, deliveries.c.created_at.type)
    sending = deliveries.c.state == State.SENDING.value
    shown = or_(
        deliveries.c.state.in_([State.SENDING.value, State.SENT.value, State.ACKED.value]),
        # An attempt that ended in a time-out may have arrived.
        and_(deliveries.c.state == State.PENDING.value, deliveries.c.attempts > 0),
    )
    columns = {
        **{name: deliveries.c[name] for name in _SAME},
        "action": literal(Action.WITHDRAW.value),
        "state": literal(State.PENDING.value),
        "attempts": literal(0),
        # Behind the one that is being sent this moment: it has arrived, or never will, when its lease ends.
        "due_at": case((sending, deliveries.c.due_at), else_=moment),
        "created_at": moment,
    }
    withdrawal = select(*columns.values()).where(*theirs, deliveries.c.channel.in_(withdrawable()), shown)
    insert = insert_ignore(connection, deliveries).from_select(list(columns), withdrawal)
    # Of an INSERT the number of rows is not kept otherwise.
    written = connection.execute(insert, execution_options={"preserve_rowcount": True}).rowcount
    connection.execute(
        update(deliveries)
        .where(*unsettled)
        .values(
            state=case((in_app, State.ACKED.value), else_=State.CANCELLED.value),
            acked_at=case((in_app, moment), else_=deliveries.c.acked_at),
            failure=case((in_app, null()), else_=Failure.POLICY.value),
            reason=case((in_app, null()), (sending, f"{reason} while it was being sent"), else_=reason),
            # A worker that is sending it finds its lease gone and writes nothing.
            lease=null(),
            due_at=null(),
        )
    )
    return written > 0
