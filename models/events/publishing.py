"""Events on their way to open connections: staged until their window ends, then published until Redis has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from models.conversations.tables import conversations
from models.events.commit_order import next_mark
from models.events.log import EVENT_COLUMNS, Event, event_of
from models.events.tables import events, outbox, staged_events
from models.lanes import Lane
from models.notifications.tables import notifications
from models.rooms.tables import rooms
from models.sql.queue import due_rows, take_due
from models.sql.statements import in_ids, upsert


def stage(
    connection: Connection,
    which: ColumnElement[bool],
    type_: str,
    key: str,
    data: dict[str, Any],
    due_at: datetime,
    expires_at: datetime,
    lane: Lane = Lane.normal,
) -> int:
    """Append one event to each of these rooms at `due_at`, unless a later one of its type and key replaces it before.

    The first event of a burst fixes the moment, so a stream that never pauses still gets through. Returns how many
    rooms there are.
    """
    same = {
        "type": type_,
        "key": key,
        "lane": int(lane),
        "data": data,
        "due_at": due_at,
        "expires_at": expires_at,
    }
    columns = {name: literal(value, staged_events.c[name].type) for name, value in same.items()}
    # Locked in one order, as the rooms are. A room cannot be deleted between the two steps of this statement.
    here = select(rooms.c.id, *columns.values()).where(which).order_by(rooms.c.id)
    here = here.with_for_update(read=True, key_share=True)
    statement = upsert(connection, staged_events, ["room_id", "type", "key"], ["lane", "data", "expires_at"])
    # Without the option psycopg's count is not kept for an INSERT.
    return connection.execute(
        statement.from_select(["room_id", *columns], here), execution_options={"preserve_rowcount": True}
    ).rowcount


def append_staged(connection: Connection, now: datetime, limit: int) -> int:
    """Append the staged events whose window has ended. Returns how many there were."""
    held = _hold_rooms(connection, now, limit)
    if not held:
        return 0
    keys = (staged_events.c.room_id, staged_events.c.type, staged_events.c.key)
    due = due_rows(
        staged_events, now, limit, in_ids(connection, staged_events.c.room_id, list(held)), columns=keys
    ).cte("due")
    taken = connection.execute(
        delete(staged_events).where(tuple_(*keys).in_(select(due))).returning(*staged_events.c)
    ).all()
    numbered: list[dict[str, Any]] = []
    mark = next_mark(connection) if any(room.kind == "conversation" for room in held.values()) else None
    marks = {id_: max(mark or 0, room.mark or 0) if room.kind == "conversation" else None for id_, room in held.items()}
    last = {room_id: room.head for room_id, room in held.items()}
    for row in sorted(taken, key=lambda row: (row.room_id, row.due_at, row.type, row.key)):
        last[row.room_id] += 1
        numbered.append({**row._mapping, "seq": last[row.room_id], "created_at": now, "mark": marks[row.room_id]})
    if not numbered:
        return 0
    raised = {
        row["room_id"]: {"this": row["room_id"], "new_head": row["seq"], "new_mark": row["mark"]} for row in numbered
    }
    new: dict[str, Any] = {"head": bindparam("new_head"), "mark": bindparam("new_mark")}
    raise_head = update(rooms).where(rooms.c.id == bindparam("this")).values(new)
    connection.execute(raise_head, list(raised.values()))
    columns = ("room_id", "seq", "type", "data", "created_at", "expires_at", "mark")
    connection.execute(insert(events), [{name: row[name] for name in columns} for row in numbered])
    announced = [{"room_id": r["room_id"], "seq": r["seq"], "lane": r["lane"], "due_at": now} for r in numbered]
    connection.execute(insert(outbox), announced)
    return len(numbered)


def _hold_rooms(connection: Connection, now: datetime, limit: int) -> dict[int, Any]:
    """The rooms (head, kind, mark) in which a window has ended, locked. Those that others hold are skipped.

    Rooms are locked before staged events, and neither is waited for: a transaction that appends to a room and stages an
    event in it locks both in either order.
    """
    due = select(staged_events.c.room_id).where(staged_events.c.due_at <= now).limit(limit)
    free = (
        select(rooms.c.id, rooms.c.head, rooms.c.kind, rooms.c.mark)
        .where(rooms.c.id.in_(due))
        .order_by(rooms.c.id)
        .with_for_update(skip_locked=True)
    )
    return {row.id: row for row in connection.execute(free)}


def next_staged(connection: Connection) -> datetime | None:
    """When the next window ends, or None."""
    found: datetime | None = connection.execute(select(func.min(staged_events.c.due_at))).scalar_one()
    return found


@dataclass(frozen=True, slots=True)
class Unpublished:
    """An event that has yet to be published to open connections, and its row of the outbox.

    In conversations: whom it is for, all members if None, and the version of the members as they are now.
    """

    outbox_id: int
    tenant: str
    event: Event
    audience: list[str] | None = None
    members_version: int | None = None


def due(connection: Connection, now: datetime) -> bool:
    """Whether an event waits to be appended or published."""
    waiting = or_(exists().where(outbox.c.due_at <= now), exists().where(staged_events.c.due_at <= now))
    return bool(connection.execute(select(waiting)).scalar_one())


def take_unpublished(connection: Connection, now: datetime, retry_at: datetime, limit: int) -> list[Unpublished]:
    """Take up to `limit` events for publishing, urgent lanes first.

    They are due again at `retry_at` unless they are forgotten first. Events that have expired meanwhile are dropped.
    """
    taken = take_due(
        connection, outbox, now, limit, retry_at, returning=(outbox.c.id,), order_by=(outbox.c.lane, outbox.c.id)
    )
    ids = [row.id for row in taken]
    rows = connection.execute(
        select(
            outbox.c.id.label("outbox_id"),
            rooms.c.tenant_id.label("tenant"),
            rooms.c.kind,
            rooms.c.key,
            events.c.audience,
            conversations.c.members_version,
            *EVENT_COLUMNS,
            notifications,
        )
        .join(rooms, rooms.c.id == outbox.c.room_id)
        .join(events, (events.c.room_id == outbox.c.room_id) & (events.c.seq == outbox.c.seq))
        .outerjoin(conversations, conversations.c.room_id == outbox.c.room_id)
        .outerjoin(notifications, notifications.c.id == events.c.notification_id)
        .where(in_ids(connection, outbox.c.id, ids), events.c.expires_at > now)
        .order_by(outbox.c.lane, outbox.c.id)
    )
    found = [
        Unpublished(
            row.outbox_id, row.tenant, event_of(f"{row.kind}:{row.key}", row), row.audience, row.members_version
        )
        for row in rows
    ]
    forget_published(connection, sorted(set(ids) - {one.outbox_id for one in found}))
    return found


def put_back(connection: Connection, outbox_ids: Sequence[int], due_at: datetime) -> None:
    """Make events that could not be published due again at `due_at`."""
    connection.execute(update(outbox).where(in_ids(connection, outbox.c.id, outbox_ids)).values(due_at=due_at))


def forget_published(connection: Connection, outbox_ids: Sequence[int]) -> None:
    """Forget events that were published."""
    if outbox_ids:
        connection.execute(delete(outbox).where(in_ids(connection, outbox.c.id, outbox_ids)))
