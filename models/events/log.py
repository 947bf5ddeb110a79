"""The event log: append, number, read after a cursor. One cursor serves the socket, polling and push."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Insert,
    String,
    and_,
    delete,
    false,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from models.events.commit_order import marks_of
from models.events.cursor import Cursor
from models.events.tables import events, meta, outbox
from models.lanes import Lane
from models.notifications.content import Content, content_of
from models.notifications.state import WITHDRAWN
from models.notifications.tables import notifications
from models.rooms.names import room_is
from models.rooms.tables import rooms
from models.sql.statements import execute_as_one
from models.sql.statements import values_table as table_of
from models.sql.types import BigId

# Events in one replay; a client that missed more asks for the next page.
REPLAY_PAGE = 200

# The columns of an event beside those of the notification it may be about, some of whose names are the same.
EVENT_COLUMNS = (
    events.c.seq,
    events.c.type.label("event_type"),
    events.c.data.label("event_data"),
    events.c.created_at.label("event_at"),
    events.c.expires_at.label("event_expires_at"),
)


@dataclass(frozen=True, slots=True)
class Event:
    """One fact in a room. `content` is there for events about a notification; `data` is what else the event says.

    `withdrawn`: the notification was recalled after this event was written; only its number still matters.
    """

    room: str
    seq: int
    type: str
    created_at: datetime
    data: dict[str, Any] | None = None
    content: Content | None = None
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Replay:
    """What a client has missed, oldest first in each room.

    `cursor` is the position after these events, and `complete` False means that some of what was missed is gone: the
    client has to fetch its state again. `more`: ask again with `cursor`.
    """

    events: list[Event]
    cursor: Cursor
    complete: bool
    more: bool


def epoch(connection: Connection) -> str:
    """The log's incarnation."""
    return str(connection.execute(select(meta.c.value).where(meta.c.name == "epoch")).scalar_one())


def new_epoch(connection: Connection) -> str:
    """Begin a new incarnation; for use after a restore. Every client then fetches its state again."""
    connection.execute(update(meta).where(meta.c.name == "epoch").values(value=secrets.token_hex(4)))
    return epoch(connection)


def append(
    connection: Connection,
    tenant_id: str,
    room: str,
    type_: str,
    data: dict[str, Any],
    now: datetime,
    expires_at: datetime,
    lane: Lane = Lane.normal,
    audience: Sequence[str] | None = None,
) -> int:
    """Append one event to one room, `kind:key`. Returns its seq; raises LookupError if there is no such room.

    `audience`: the users of a conversation whom it is for; for all other members its number is skipped.
    """
    this = room_is(tenant_id, room)
    append_and_publish(connection, this, type_, data, now, expires_at, lane, audience)
    head = connection.execute(select(rooms.c.head).where(this)).scalar_one_or_none()
    if head is None:
        raise LookupError(f"no room {room.partition(':')[0]}")
    return int(head)


def append_and_publish(
    connection: Connection,
    which: ColumnElement[bool],
    type_: str,
    data: dict[str, Any],
    now: datetime,
    expires_at: datetime,
    lane: Lane = Lane.normal,
    audience: Sequence[str] | None = None,
) -> int:
    """Append one event to each of these rooms, all in a few statements, to be published. Returns how many there are."""
    raised = raise_heads(connection, which)
    announced = {
        "room_id": raised.c.id,
        "seq": raised.c.head,
        "lane": literal(int(lane), outbox.c.lane.type),
        "due_at": literal(now, outbox.c.due_at.type),
    }
    return execute_as_one(
        connection,
        event_in_each(raised, type_, None, data, now, expires_at, audience),
        insert(outbox).from_select(list(announced), select(*announced.values())),
    ).rowcount


def raise_heads(connection: Connection, which: ColumnElement[bool]) -> FromClause:
    """These rooms (id, user_id, head, mark), each with its next number as head; their locks are held until the commit.

    For one call of `execute_as_one`: on PostgreSQL the numbers are raised when that runs, once.
    """
    raised = update(rooms).values(head=rooms.c.head + 1)
    columns = (rooms.c.id, rooms.c.user_id, rooms.c.head, marks_of(connection, rooms.c.kind, which).label("mark"))
    if connection.dialect.name == "postgresql":
        # Locked in one order by every writer: unsorted locks of many rows deadlock. SQLite has one writer anyway.
        locked = select(rooms.c.id).where(which).order_by(rooms.c.id).with_for_update(key_share=True).cte("locked")
        return raised.where(rooms.c.id == locked.c.id).returning(*columns).cte("raised")
    connection.execute(raised.where(which))
    return select(*columns).where(which).subquery("raised")


def event_in_each(
    raised: FromClause,
    type_: str,
    notification_id: UUID | None,
    data: dict[str, Any] | None,
    now: datetime,
    expires_at: datetime,
    audience: Sequence[str] | None = None,
) -> Insert:
    """Write one event, numbered by its head, in each of the rooms of `raise_heads`."""
    constants = {
        "type": type_,
        "notification_id": notification_id,
        "data": data,
        "created_at": now,
        "expires_at": expires_at,
        "audience": None if audience is None else sorted(audience),
    }
    columns = [literal(value, events.c[name].type) for name, value in constants.items()]
    return insert(events).from_select(
        ["room_id", "seq", "mark", *constants],
        select(raised.c.id, raised.c.head, raised.c.mark, *columns).select_from(raised),
    )


def heads(connection: Connection, tenant_id: str, names: Sequence[str]) -> Cursor:
    """The position of a client that has everything in these rooms (`kind:key`).

    A room that does not exist yet is at 0, so that its first event counts as missed.
    """
    rows = _rooms(connection, tenant_id, names)
    return Cursor(epoch(connection), {name: rows[name].head if name in rows else 0 for name in names})


def heads_of(connection: Connection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The heads of rooms of any tenants, by (tenant, `kind:key`), without those that do not exist."""
    # Joined, and not IN a list of tuples, for which SQLite reads the whole table.
    columns = {"tenant_id": String(), "kind": String(), "key": String()}
    named = table_of(connection, "wanted", columns, [(tenant, *room.split(":", 1)) for tenant, room in wanted])
    same = and_(*(rooms.c[name] == named.c[name] for name in columns))
    return {(row.tenant_id, f"{row.kind}:{row.key}"): row.head for row in connection.execute(select(rooms).where(same))}


def read_after(
    connection: Connection,
    tenant_id: str,
    names: Sequence[str],
    cursor: Cursor,
    now: datetime,
    limit: int = REPLAY_PAGE,
) -> Replay:
    """The events of the rooms after the cursor, without those that have expired.

    A room that the cursor does not know is new to the client and begins at its head.
    """
    current = epoch(connection)
    found = _rooms(connection, tenant_id, names)
    missing = {name: cursor.positions.get(name, 0) for name in names if name not in found}
    head = Cursor(current, dict.fromkeys(missing, 0) | {name: row.head for name, row in found.items()})
    behind = {name: cursor.positions.get(name, row.head) for name, row in found.items()}
    lost = any(not found[name].purged <= seq <= found[name].head for name, seq in behind.items())
    if cursor.epoch != current or lost:
        return Replay([], head, complete=False, more=False)
    page: list[Event] = []
    positions = missing | behind
    more = False
    for name, seq in behind.items():
        room = found[name]
        if seq == room.head:
            continue
        space = limit - len(page)
        rows = _after(connection, room.id, seq, room.head, space + 1)
        if len(rows) > space:
            more = True
            rows = rows[:space]
        page += [event_of(name, row) for row in rows if row.event_expires_at > now]
        positions[name] = (rows[-1].seq if rows else seq) if more else room.head
        if more:
            break
    return Replay(page, Cursor(current, positions), complete=True, more=more)


def _rooms(connection: Connection, tenant_id: str, names: Sequence[str]) -> dict[str, Any]:
    # Not IN a list of tuples, for which SQLite reads the whole table.
    by_name = {
        f"{row.kind}:{row.key}": row
        for row in connection.execute(select(rooms).where(or_(false(), *(room_is(tenant_id, name) for name in names))))
    }
    return {name: by_name[name] for name in names if name in by_name}


def _after(connection: Connection, room_id: int, seq: int, head: int, limit: int) -> Sequence[Any]:
    # Bounded by the head that was read before: a page must not run ahead of the position it is reported with.
    return connection.execute(
        select(*EVENT_COLUMNS, notifications)
        .outerjoin(notifications, notifications.c.id == events.c.notification_id)
        .where(events.c.room_id == room_id, events.c.seq > seq, events.c.seq <= head)
        .order_by(events.c.seq)
        .limit(limit)
    ).all()


def event_of(room: str, row: Any) -> Event:
    """The event of a row of EVENT_COLUMNS and `notifications`."""
    return Event(
        room=room,
        seq=row.seq,
        type=row.event_type,
        created_at=row.event_at,
        data=row.event_data,
        content=content_of(row) if row.id is not None else None,
        withdrawn=row.state in WITHDRAWN,
    )


def purge(connection: Connection, now: datetime, horizon: datetime, limit: int) -> int:
    """Delete up to `limit` events that have expired or are older than `horizon`. Returns how many.

    No client is owed an expired event. Clients can be owed one that the horizon cuts off: its room records that history
    up to it is gone, and a client with an older cursor gets `complete: false`.
    """
    old = (
        select(events.c.room_id, events.c.seq, events.c.expires_at)
        .where((events.c.expires_at <= now) | (events.c.created_at <= horizon))
        .order_by(events.c.expires_at)
        .limit(limit)
    )
    rows = connection.execute(old).all()
    if not rows:
        return 0
    floor: dict[int, int] = {}
    for row in rows:
        if row.expires_at > now:
            floor[row.room_id] = max(row.seq, floor.get(row.room_id, 0))
    for room_id, seq in sorted(floor.items()):
        connection.execute(update(rooms).where(rooms.c.id == room_id, rooms.c.purged < seq).values(purged=seq))
    keys = table_of(connection, "old", {"room_id": BigId, "seq": BigId}, [(row.room_id, row.seq) for row in rows])
    these = tuple_(events.c.room_id, events.c.seq).in_(select(keys.c.room_id, keys.c.seq))
    return connection.execute(delete(events).where(these)).rowcount
