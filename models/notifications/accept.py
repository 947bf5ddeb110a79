"""Accept a notification: one row, committed before the caller gets its answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import Connection, select

from models.lanes import Lane
from models.notifications.state import NotificationState
from models.notifications.tables import notifications
from models.sql.statements import insert_ignore

# The relay leaves a new notification alone for this long: normally the bell rung at acceptance is answered at once.
GRACE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class NewNotification:
    """A validated request.

    `audience` is {"users": [{"id", "email"?, "locale"?}]}, {"topic": name} or {"tenant": true}. `channels` None means:
    in_app, and every other channel on which a user has an address. `body_sha256` distinguishes a repeated request
    from a different one with the same `idempotency_key`. `id` None: a new one.
    """

    tenant_id: str
    mode: str
    audience: dict[str, Any]
    title: str
    message: str
    expires_at: datetime
    body_sha256: str
    data: dict[str, Any]
    level: str = "info"
    priority: str = "normal"
    type: str = "notification"
    category: str | None = None
    channels: list[str] | None = None
    collapse_key: str | None = None
    reference: str | None = None
    url: str | None = None
    idempotency_key: str | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """`replayed`: the key was known. `same_body`: and the request was the same."""

    id: UUID
    created_at: datetime
    replayed: bool = False
    same_body: bool = True


class IdInUse(Exception):
    """The id that was given belongs to another notification."""


def accept(connection: Connection, new: NewNotification, now: datetime) -> Accepted:
    """Insert the notification, or find the one that has its idempotency key already. Raises IdInUse.

    A concurrent request with the same key waits in the INSERT until the other has committed, so there is never an
    answer "in progress".
    """
    row_id = new.id or uuid_utils.compat.uuid7()
    values = {
        "id": row_id,
        "tenant_id": new.tenant_id,
        "mode": new.mode,
        "idempotency_key": new.idempotency_key,
        "body_sha256": new.body_sha256,
        "audience": new.audience,
        "channels": new.channels,
        "title": new.title,
        "message": new.message,
        "data": new.data,
        "level": new.level,
        "lane": Lane[new.priority],
        "category": new.category,
        "type": new.type,
        "collapse_key": new.collapse_key,
        "reference": new.reference,
        "url": new.url,
        "created_at": now,
        "expires_at": new.expires_at,
        "state": NotificationState.ACCEPTED.value,
        "cursor": 0,
        "recipients": 0,
        "due_at": now + GRACE,
    }
    # The values as parameters and not in the statement: that spares SQLAlchemy more than half of the work.
    insert = insert_ignore(connection, notifications).returning(notifications.c.id)
    if connection.execute(insert, values).first():
        return Accepted(row_id, now)
    if new.idempotency_key is None:
        raise IdInUse
    earlier = connection.execute(
        select(notifications.c.id, notifications.c.created_at, notifications.c.body_sha256).where(
            notifications.c.tenant_id == new.tenant_id,
            notifications.c.mode == new.mode,
            notifications.c.idempotency_key == new.idempotency_key,
        )
    ).one_or_none()
    if earlier is None:
        raise IdInUse
    return Accepted(earlier.id, earlier.created_at, True, earlier.body_sha256 == new.body_sha256)


def key_is_used(connection: Connection, tenant_id: str, mode: str, idempotency_key: str | None) -> bool:
    """Whether a notification was accepted with this idempotency key."""
    if idempotency_key is None:
        return False
    named = (
        notifications.c.tenant_id == tenant_id,
        notifications.c.mode == mode,
        notifications.c.idempotency_key == idempotency_key,
    )
    return connection.execute(select(notifications.c.id).where(*named)).first() is not None
