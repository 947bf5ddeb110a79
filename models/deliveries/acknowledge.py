"""Acknowledge deliveries: the client reports that they are on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, null, select, update

from models.channels import acknowledging
from models.deliveries.lifecycle import State
from models.deliveries.tables import deliveries
from models.sql.locks import lock_rows
from models.users.tables import users


def acknowledge(
    connection: Connection,
    tenant_id: str,
    user: str,
    now: datetime,
    *,
    ids: Sequence[UUID] = (),
    up_to_seq: int | None = None,
) -> list[UUID]:
    """Acknowledge the user's own in-app deliveries: those of `ids`, and all up to `up_to_seq` in their room.

    Idempotent and final: no later result of a worker changes an acknowledged delivery. Returns the notifications that
    were not acknowledged before.
    """
    which: list[ColumnElement[bool]] = []
    if ids:
        which.append(deliveries.c.notification_id.in_(ids))
    if up_to_seq is not None:
        which.append(deliveries.c.seq <= up_to_seq)
    if not which:
        return []
    condition = which[0] if len(which) == 1 else which[0] | which[1]
    me = select(users.c.id).where(users.c.tenant_id == tenant_id, users.c.external_id == user).scalar_subquery()
    open_ = (
        deliveries.c.user_id == me,
        deliveries.c.channel.in_(acknowledging()),
        deliveries.c.state.in_([State.PENDING.value, State.SENDING.value, State.SENT.value]),
        condition,
    )
    lock_rows(connection, deliveries, *open_)
    changed = connection.execute(
        update(deliveries)
        .where(*open_)
        .values(state=State.ACKED.value, acked_at=now, due_at=null(), lease=null(), failure=null(), reason=null())
        .returning(deliveries.c.notification_id)
    )
    return list(changed.scalars())
