"""Accept a notification: one row, committed before the caller gets its answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
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
    """Insert the notification, or find the one that has its idempotency key already. Raises IdInUse."""
    [accepted] = accept_all(connection, [(new, now)])
    if accepted is None:
        raise IdInUse
    return accepted


def accept_all(connection: Connection, requests: Sequence[tuple[NewNotification, datetime]]) -> list[Accepted | None]:
    """Insert notifications, each with the time of its acceptance, in one statement.

    The result has, in their order, what became of them. An earlier notification with the same idempotency key takes the
    place of a new one. None: its id is in use. A concurrent transaction with the same key waits in the INSERT until the
    other has committed, so there is never an answer "in progress".
    """
    rows = [_row(new, now) for new, now in requests]
    # Keys in one order: else two transactions could wait for each other.
    ordered = sorted(rows, key=lambda row: row["idempotency_key"] or "")
    # The values as parameters and not in the statement: that spares SQLAlchemy more than half of the work.
    insert = insert_ignore(connection, notifications).returning(notifications.c.id)
    inserted = set(connection.execute(insert, ordered if len(rows) > 1 else rows[0]).scalars())
    if len(inserted) == len(rows):
        return [Accepted(row["id"], row["created_at"]) for row in rows]
    earlier = _with_keys(connection, [row for row in rows if row["id"] not in inserted])
    results: list[Accepted | None] = []
    for row in rows:
        if row["id"] in inserted:
            results.append(Accepted(row["id"], row["created_at"]))
            continue
        found = earlier.get((row["tenant_id"], row["mode"], row["idempotency_key"]))
        results.append(found and Accepted(found.id, found.created_at, True, found.body_sha256 == row["body_sha256"]))
    return results


def _row(new: NewNotification, now: datetime) -> dict[str, Any]:
    return {
        "id": new.id or uuid_utils.compat.uuid7(),
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


def _with_keys(connection: Connection, rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str, str | None], Any]:
    """The notifications that have the idempotency keys of these rows, by tenant, mode and key."""
    keys: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        if row["idempotency_key"] is not None:
            keys[row["tenant_id"], row["mode"]].append(row["idempotency_key"])
    found: dict[tuple[str, str, str | None], Any] = {}
    for (tenant_id, mode), named in keys.items():
        query = select(
            notifications.c.id,
            notifications.c.created_at,
            notifications.c.body_sha256,
            notifications.c.idempotency_key,
        ).where(
            notifications.c.tenant_id == tenant_id,
            notifications.c.mode == mode,
            notifications.c.idempotency_key.in_(named),
        )
        found |= {(tenant_id, mode, one.idempotency_key): one for one in connection.execute(query)}
    return found


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
