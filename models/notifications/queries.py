"""Look up notifications."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select

from models.notifications.tables import notifications


class Notification(NamedTuple):
    """A row of `notifications`: what was asked for, and how far its expansion has come."""

    id: UUID
    tenant_id: str
    mode: str
    audience: dict[str, Any]
    channels: list[str] | None
    title: str
    message: str
    data: dict[str, Any]
    level: str
    lane: int
    category: str | None
    type: str
    collapse_key: str | None
    reference: str | None
    url: str | None
    created_at: datetime
    expires_at: datetime
    state: str
    cursor: int
    recipients: int
    due_at: datetime | None


COLUMNS = tuple(notifications.c[name] for name in Notification._fields)


def find_notification(connection: Connection, tenant_id: str, notification_id: UUID) -> Notification | None:
    """The tenant's notification, or None."""
    row = connection.execute(
        select(*COLUMNS).where(notifications.c.tenant_id == tenant_id, notifications.c.id == notification_id)
    ).one_or_none()
    return Notification._make(row) if row is not None else None
