"""Withdraw from other devices what the user has read, archived or deleted on one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, Uuid, and_, case, literal, null, or_, select, update

from models.channels import IN_APP
from models.deliveries.lifecycle import OPEN, Failure, State
from models.deliveries.message import Action
from models.deliveries.tables import deliveries
from models.deliveries.withdrawals import write_withdrawals
from models.sql.locks import lock_rows
from models.sql.statements import values_table


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
    lock_rows(connection, deliveries, *unsettled)
    moment = literal(now, deliveries.c.created_at.type)
    sending = deliveries.c.state == State.SENDING.value
    channels = write_withdrawals(connection, now, *theirs)
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
    return bool(channels)
