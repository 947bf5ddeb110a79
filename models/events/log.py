"""The event log: append, number, read after a cursor. One cursor serves the socket, polling and push."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Insert,
    String,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from models.events.commit_order import marks_of
from models.events.cursor import MAX_IN_URL, Cursor
from models.events.tables import events, meta, outbox
from models.events.user_rooms import Place, UserRooms, epoch, rooms_of
from models.lanes import Lane
from models.notifications.content import Content, content_of
from models.notifications.state import WITHDRAWN
from models.notifications.tables import notifications
from models.rooms.names import room_is
from models.rooms.tables import rooms
from models.sql.statements import execute_as_one, in_ids
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

    `starts` and `positions` say for every room of the user where this begins and ends, `positions` also for the
    conversations that the cursor does not name.
    """

    events: list[Event]
    cursor: Cursor
    complete: bool
    more: bool
    starts: Mapping[str, int] = field(default_factory=dict)
    positions: Mapping[str, int] = field(default_factory=dict)


class ConversationHead(NamedTuple):
    """The number and the mark of the newest event of a conversation."""

    tenant: str
    room: str
    head: int
    mark: int


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
    raised = update(rooms).values(head=rooms.c.head + 1, mark=marks_of(connection, which))
    columns = (rooms.c.id, rooms.c.user_id, rooms.c.head, rooms.c.mark)
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


def heads(connection: Connection, tenant_id: str, user: str) -> Cursor:
    """The position of a client that has everything in the rooms of its user.

    A room that does not exist yet is at 0, so that its first event counts as missed.
    """
    rooms_here = rooms_of(connection, tenant_id, user)
    return cursor_at(rooms_here, heads_in(rooms_here))


def heads_of(connection: Connection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The heads of rooms of any tenants, by (tenant, `kind:key`), without those that do not exist."""
    # Joined, and not IN a list of tuples, for which SQLite reads the whole table.
    columns = {"tenant_id": String(), "kind": String(), "key": String()}
    named = table_of(connection, "wanted", columns, [(tenant, *room.split(":", 1)) for tenant, room in wanted])
    same = and_(*(rooms.c[name] == named.c[name] for name in columns))
    return {(row.tenant_id, f"{row.kind}:{row.key}"): row.head for row in connection.execute(select(rooms).where(same))}


def conversations_since(connection: Connection, mark: int) -> list[ConversationHead]:
    """The conversations of all tenants in which something has happened that has this mark or a higher one."""
    moved = select(events.c.room_id).where(events.c.mark >= mark).distinct()
    rows = connection.execute(select(rooms).where(rooms.c.id.in_(moved)))
    return [ConversationHead(row.tenant_id, f"{row.kind}:{row.key}", row.head, row.mark) for row in rows]


def read_after(
    connection: Connection, tenant_id: str, user: str, cursor: Cursor, now: datetime, limit: int = REPLAY_PAGE
) -> Replay:
    """The events after the cursor in the rooms of the user, without those that have expired or are for others.

    For clients that send the next cursor in a URL. If it would be too long, because there is more in very many
    conversations, the replay is not complete.

    A room that the cursor does not know is new to the client and begins at its head; a conversation begins at the
    cursor's mark. A cursor without an epoch means the present one. A position above the head is from before a restore,
    or before the room was deleted: the replay is not complete.
    """
    own = rooms_of(connection, tenant_id, user)
    replay = read_rooms(connection, own, cursor, now, limit)
    return replay if len(replay.cursor.encode()) <= MAX_IN_URL else _from_now_on(own)


def read_rooms(
    connection: Connection, own: UserRooms, cursor: Cursor, now: datetime, limit: int = REPLAY_PAGE
) -> Replay:
    """As `read_after`, for who has just read which rooms they are."""
    heads_ = heads_in(own)
    starts = heads_ if cursor.epoch not in ("", own.epoch) else _starts(connection, own, cursor, heads_)
    if starts is None or cursor.epoch not in ("", own.epoch):
        return _from_now_on(own)
    behind = {name: seq for name, seq in starts.items() if name in own.places and seq < own.places[name].head}
    page, reached = _page(connection, own, behind, now, limit)
    positions = starts | reached
    more = any(reached[name] < own.places[name].head for name in behind)
    return Replay(page, cursor_at(own, positions), complete=True, more=more, starts=starts, positions=positions)


def _from_now_on(own: UserRooms) -> Replay:
    """For a client that has to fetch its state again."""
    here = heads_in(own)
    return Replay([], cursor_at(own, here), complete=False, more=False, starts=here, positions=here)


def heads_in(own: UserRooms) -> dict[str, int]:
    """The newest number in each of the rooms."""
    return dict.fromkeys(own.own, 0) | {name: place.head for name, place in own.places.items()}


def cursor_at(own: UserRooms, positions: Mapping[str, int]) -> Cursor:
    """The cursor for a position in each of the rooms. It names conversations that its mark does not say enough of."""
    named = {
        name: seq
        for name, seq in positions.items()
        if (place := own.places.get(name)) is None or place.is_beyond(own.mark) or seq < place.head
    }
    return Cursor(own.epoch, dict.fromkeys(own.own, 0) | named, own.mark)


def _starts(connection: Connection, own: UserRooms, cursor: Cursor, heads_: Mapping[str, int]) -> dict[str, int] | None:
    """The position of the client in each of the rooms. None if it has missed what is gone."""
    starts = dict(heads_)
    marked: dict[int, str] = {}
    for name in heads_:
        place = own.places.get(name)
        if name in cursor.positions:
            starts[name] = cursor.positions[name]
            # Where the user was not a member, nothing was missed.
            if place is None:
                if starts[name]:
                    return None
            elif not place.purged <= max(starts[name], place.after) <= place.head:
                return None
        elif place is not None and cursor.mark is not None and place.is_since(cursor.mark):
            marked[place.room_id] = name
            if (place.purged_mark or -1) >= cursor.mark and place.purged > place.after:
                return None
    if marked and cursor.mark is not None:
        for room_id, first in _first_since(connection, list(marked), cursor.mark):
            name = marked[room_id]
            # Bounded by the head that was read before.
            starts[name] = min(max(first - 1, own.places[name].after), heads_[name])
    return starts


def _first_since(connection: Connection, room_ids: Sequence[int], mark: int) -> Sequence[Any]:
    """The first event in each of these rooms that has the mark or a higher one. Marks never fall in a room."""
    first = (
        select(events.c.seq)
        .where(events.c.room_id == rooms.c.id, events.c.mark >= mark)
        .order_by(events.c.mark, events.c.seq)
        .limit(1)
        .scalar_subquery()
    )
    found = select(rooms.c.id, first.label("first")).where(in_ids(connection, rooms.c.id, room_ids)).subquery()
    return connection.execute(select(found).where(found.c.first.is_not(None))).all()


def _page(
    connection: Connection, own: UserRooms, behind: Mapping[str, int], now: datetime, limit: int
) -> tuple[list[Event], dict[str, int]]:
    """Up to `limit` events after these positions, and the positions after them."""
    reached = dict(behind)
    whole: list[tuple[str, Place, int]] = []
    read: dict[str, Sequence[Any]] = {}
    space = limit
    for name, seq in behind.items():
        place = own.places[name]
        missing = place.head - max(seq, place.after)
        if missing <= space:
            # All of its numbers fit, so it is read together with others.
            whole.append((name, place, seq))
            reached[name] = place.head
            space -= missing
            continue
        # Some numbers may have no event any more.
        rows = _after(connection, own.user, [(name, place, seq)], space + 1)
        kept = read[name] = rows[:space]
        if len(rows) > space:
            reached[name] = kept[-1].seq if kept else max(seq, place.after)
            break
        reached[name] = place.head
        space -= len(kept)
    for row in _after(connection, own.user, whole, limit):
        read.setdefault(row.room, []).append(row)  # type: ignore[attr-defined]
    page = [event_of(name, row) for name in behind for row in read.get(name, ()) if row.event_expires_at > now]
    return page, reached


def _after(connection: Connection, user: str, places: Sequence[tuple[str, Place, int]], limit: int) -> Sequence[Any]:
    """The events after these positions, by room and number, with the name of their room.

    They are bounded by the heads that were read before: a page must not run ahead of its position.
    """
    if not places:
        return []
    columns: dict[str, TypeEngine[Any]] = {"room": String(), "room_id": BigId, "low": BigId, "high": BigId}
    wanted = table_of(
        connection,
        "wanted",
        columns,
        [(name, place.room_id, max(seq, place.after), place.head) for name, place, seq in places],
    )
    return connection.execute(
        select(wanted.c.room, *EVENT_COLUMNS, notifications)
        .select_from(wanted)
        .join(
            events,
            and_(events.c.room_id == wanted.c.room_id, events.c.seq > wanted.c.low, events.c.seq <= wanted.c.high),
        )
        .outerjoin(notifications, notifications.c.id == events.c.notification_id)
        .where(is_for(connection, user))
        .order_by(events.c.room_id, events.c.seq)
        .limit(limit)
    ).all()


def is_for(connection: Connection, user: str) -> ColumnElement[bool]:
    """Whether an event of a room is for this member of it."""
    if connection.dialect.name == "postgresql":
        return or_(events.c.audience.is_(None), type_coerce(events.c.audience, JSONB).contains([user]))
    each = func.json_each(events.c.audience).table_valued("value")
    return or_(events.c.audience.is_(None), select(each.c.value).where(each.c.value == user).exists())


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
        select(events.c.room_id, events.c.seq, events.c.expires_at, events.c.mark)
        .where((events.c.expires_at <= now) | (events.c.created_at <= horizon))
        .order_by(events.c.expires_at)
        .limit(limit)
    )
    rows = connection.execute(old).all()
    if not rows:
        return 0
    floor: dict[int, tuple[int, int | None]] = {}
    for row in rows:
        # Marks do not fall in a room.
        if row.expires_at > now and row.seq > floor.get(row.room_id, (0, None))[0]:
            floor[row.room_id] = (row.seq, row.mark)
    for room_id, (seq, mark) in sorted(floor.items()):
        gone = {"purged": seq, "purged_mark": mark}
        connection.execute(update(rooms).where(rooms.c.id == room_id, rooms.c.purged < seq).values(gone))
    keys = table_of(connection, "old", {"room_id": BigId, "seq": BigId}, [(row.room_id, row.seq) for row in rows])
    these = tuple_(events.c.room_id, events.c.seq).in_(select(keys.c.room_id, keys.c.seq))
    return connection.execute(delete(events).where(these)).rowcount
