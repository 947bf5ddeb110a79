"""Events on their way to open connections: staged until their window ends, then published until Redis has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, literal, select, tuple_, update

from models.db import upsert
from models.log import EVENT_COLUMNS, Event, event_of, raise_heads, room_is, write_events
from models.tables import events, notifications, outbox, rooms, staged_events


def stage(
    connection: Connection,
    tenant_id: str,
    room: str,
    type_: str,
    key: str,
    data: dict[str, Any],
    due_at: datetime,
    expires_at: datetime,
) -> None:
    """Append one event to one room at `due_at`, unless a later one of the same type and key takes its place before.

    The first of a burst fixes the moment, so a stream that never pauses is still heard. Raises LookupError if there is
    no such room.
    """
    room_id = connection.execute(select(rooms.c.id).where(room_is(tenant_id, room))).scalar_one_or_none()
    if room_id is None:
        raise LookupError(f"no room {room.partition(':')[0]}")
    connection.execute(
        upsert(connection, staged_events, ["room_id", "type", "key"], ["data", "expires_at"]).values(
            room_id=room_id, type=type_, key=key, data=data, due_at=due_at, expires_at=expires_at
        )
    )


def append_staged(connection: Connection, now: datetime, limit: int) -> int:
    """Append the staged events whose window has ended. Returns how many there were."""
    keys = (staged_events.c.room_id, staged_events.c.type, staged_events.c.key)
    due = select(*keys).where(staged_events.c.due_at <= now).order_by(*keys).limit(limit)
    rows = connection.execute(
        delete(staged_events)
        .where(tuple_(*keys).in_(due.with_for_update(skip_locked=True)))
        .returning(*keys, staged_events.c.data, staged_events.c.expires_at)
    ).all()
    for row in sorted(rows, key=lambda row: (row.room_id, row.type, row.key)):
        this = rooms.c.id == row.room_id
        raise_heads(connection, this)
        write_events(connection, this, row.type, None, row.data, now, row.expires_at)
        head = select(rooms.c.id, rooms.c.head, literal(now, outbox.c.due_at.type)).where(this)
        connection.execute(insert(outbox).from_select(["room_id", "seq", "due_at"], head))
    return len(rows)


def next_staged(connection: Connection) -> datetime | None:
    """When the next window ends, or None."""
    found: datetime | None = connection.execute(select(func.min(staged_events.c.due_at))).scalar_one()
    return found


@dataclass(frozen=True, slots=True)
class Unpublished:
    """An event that open connections have yet to hear of, and the row of the outbox that says so."""

    outbox_id: int
    tenant: str
    event: Event


def take_unpublished(connection: Connection, now: datetime, retry_at: datetime, limit: int) -> list[Unpublished]:
    """Take up to `limit` events for publishing. Whoever takes them and dies leaves them due again at `retry_at`."""
    due = (
        select(outbox.c.id)
        .where(outbox.c.due_at <= now)
        .order_by(outbox.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    taken = connection.execute(
        update(outbox).where(outbox.c.id.in_(select(due.c.id))).values(due_at=retry_at).returning(outbox.c.id)
    ).scalars()
    rows = connection.execute(
        select(
            outbox.c.id.label("outbox_id"),
            rooms.c.tenant_id.label("tenant"),
            rooms.c.kind,
            rooms.c.key,
            *EVENT_COLUMNS,
            notifications,
        )
        .join(rooms, rooms.c.id == outbox.c.room_id)
        .join(events, (events.c.room_id == outbox.c.room_id) & (events.c.seq == outbox.c.seq))
        .outerjoin(notifications, notifications.c.id == events.c.notification_id)
        .where(outbox.c.id.in_(taken.all()))
        .order_by(outbox.c.id)
    )
    return [Unpublished(row.outbox_id, row.tenant, event_of(f"{row.kind}:{row.key}", row)) for row in rows]


def forget_published(connection: Connection, outbox_ids: Sequence[int]) -> None:
    """These are published."""
    connection.execute(delete(outbox).where(outbox.c.id.in_(outbox_ids)))
