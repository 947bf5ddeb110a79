"""Begin the recall of a notification."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, update

from models.notifications.state import NotificationState
from models.notifications.tables import notifications


def recall(connection: Connection, tenant_id: str, notification_id: UUID, now: datetime) -> bool:
    """Begin the recall; from this commit on nothing of it is claimed any more. False if it was recalled before.

    The pages of the recall (models/deliveries/expand.py) then cancel what is pending and withdraw what was shown.
    """
    return bool(
        connection.execute(
            update(notifications)
            .where(
                notifications.c.tenant_id == tenant_id,
                notifications.c.id == notification_id,
                notifications.c.state.in_([NotificationState.ACCEPTED.value, NotificationState.EXPANDED.value]),
            )
            .values(state=NotificationState.RECALLING.value, cursor=0, due_at=now)
        ).rowcount
    )
