"""What became of dead letters that were sent again."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, delete, func, select, tuple_

from models.deliveries.status import MAX_GROUPS, Outcome
from models.deliveries.tables import deliveries, redrives
from models.notifications.tables import notifications
from models.timestamps import first_id


def outcomes(
    connection: Connection, redrive_id: UUID, tenant_id: str | None = None, mode: str | None = None
) -> list[Outcome]:
    """The present states of a redrive's deliveries, of that tenant and mode if they are given.

    The MAX_GROUPS largest groups; none if there is no such redrive.
    """
    where = [redrives.c.id == redrive_id]
    if tenant_id is not None:
        where.append(redrives.c.tenant_id == tenant_id)
    if mode is not None:
        where.append(notifications.c.mode == mode)
    number = func.count().label("number")
    columns = (deliveries.c.channel, deliveries.c.state, deliveries.c.failure, deliveries.c.reason)
    rows = connection.execute(
        select(*columns, number)
        .select_from(redrives)
        .join(deliveries, deliveries.c.id == redrives.c.delivery_id)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(*where)
        .group_by(*columns)
        .order_by(number.desc(), *columns)
        .limit(MAX_GROUPS)
    )
    return [Outcome._make(row) for row in rows]


def purge(connection: Connection, now: datetime, retention: timedelta, limit: int) -> int:
    """Delete up to `limit` rows of redrives older than the retention. Returns how many."""
    key = tuple(redrives.primary_key)
    old = select(*key).where(redrives.c.id < first_id(now - retention)).limit(limit)
    return connection.execute(delete(redrives).where(tuple_(*key).in_(old))).rowcount
