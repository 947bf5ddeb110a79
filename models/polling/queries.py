"""What a client without a position gets: events since a time, without those that its user has acknowledged.

A `Cursor` is exact; a time comes from the client's own clock. An acknowledged event is not returned again, and any
other event is, so neither a wrong clock nor a lost response loses an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, Row, String, and_, or_, select, update
from sqlalchemy.types import TypeEngine

from models.deliveries.acknowledge import acknowledge
from models.events.cursor import Cursor
from models.events.log import EVENT_COLUMNS, Event, Replay, cursor_at, event_of, is_for
from models.events.tables import events
from models.events.user_rooms import Place, UserRooms, rooms_of, user_id
from models.notifications.tables import notifications
from models.polling.tables import event_acks
from models.sql.statements import in_ids, insert_ignore, values_table
from models.sql.types import BigId
from models.users.queries import Person, upsert_users


class _Acked(NamedTuple):
    """What the user has acknowledged in a room: everything up to `floor`, and the numbers in `beyond`."""

    floor: int
    beyond: frozenset[int]


def read_since(
    connection: Connection,
    tenant_id: str,
    user: str,
    since: datetime,
    horizon: datetime,
    now: datetime,
    limit: int,
    given: Cursor | None = None,
) -> Replay:
    """The events in the rooms of the user after `since` that they have not acknowledged, without expired ones.

    `given` is what the user's page has been given up to. Events after it are returned in any case: if they are
    acknowledged, another page of the user has them. `complete` is False if history was cut off by the `horizon`, before
    which nothing is kept, and the user had not acknowledged it.
    """
    own = rooms_of(connection, tenant_id, user)
    acks = _acked(connection, own)
    known = given if given is not None and given.epoch == own.epoch else Cursor(own.epoch)
    page: list[Event] = []
    positions = {name: place.head for name, place in own.places.items()}
    more = False
    for name in _changed(connection, own, acks, known, since):
        place, acked = own.places[name], acks[name]
        space = limit - len(page)
        rows = _after(connection, own, name, acked, known, since, now, space + 1)
        if len(rows) > space:
            more = True
            # The next page begins with the first that has no place here.
            positions[name] = rows[space].seq - 1
            rows = rows[:space]
        else:
            positions[name] = place.head
        page += [event_of(name, row) for row in rows]
    lost = since < horizon and any(place.purged > acks[name].floor for name, place in own.places.items())
    return Replay(page, cursor_at(own, positions), complete=not lost, more=more)


def acknowledged(connection: Connection, tenant_id: str, user: str) -> dict[str, int]:
    """The number in each of the user's rooms up to which they have acknowledged everything."""
    return {name: acked.floor for name, acked in _acked(connection, rooms_of(connection, tenant_id, user)).items()}


def acknowledge_events(
    connection: Connection, tenant_id: str, user: str, seqs: Mapping[str, Iterable[int]], now: datetime
) -> int:
    """Mark events, by room and number, as acknowledged by the user. Returns how many were not before.

    An unknown user is created. Numbers that do not exist, and rooms that are not the user's, change nothing.
    Acknowledging the event of a notification acknowledges its delivery as well.
    """
    [me] = upsert_users(connection, tenant_id, [Person(user)], now)
    own = rooms_of(connection, tenant_id, user)
    new = 0
    # In one order, as all who lock several rooms.
    for name in sorted(own.places.keys() & seqs.keys()):
        new += _acknowledge_in(connection, own, me, own.places[name], set(seqs[name]), now)
    return new


def _acked(connection: Connection, own: UserRooms) -> dict[str, _Acked]:
    me = user_id(own.tenant, own.user)
    rows = connection.execute(select(event_acks).where(event_acks.c.user_id == me)).all()
    found = {row.room_id: _Acked(row.floor, frozenset(row.beyond)) for row in rows}
    none = _Acked(0, frozenset())
    acked = {name: found.get(place.room_id, none) for name, place in own.places.items()}
    # What was written before somebody became a member is not for them.
    return {name: _Acked(max(one.floor, own.places[name].after), one.beyond) for name, one in acked.items()}


def _changed(
    connection: Connection, own: UserRooms, acks: Mapping[str, _Acked], given: Cursor, since: datetime
) -> list[str]:
    """The rooms that may have such events: those that every user has, and conversations whose newest event is one."""
    columns: dict[str, TypeEngine[Any]] = {"name": String(), "room_id": BigId, "head": BigId}
    unread = [
        (name, place.room_id, place.head)
        for name, place in own.places.items()
        if name not in own.own
        and (place.head > min(acks[name].floor, given.positions.get(name, place.head)) or place.is_since(given.mark))
    ]
    here = [name for name in own.own if name in own.places]
    if not unread:
        return here
    wanted = values_table(connection, "wanted", columns, unread)
    newest = and_(events.c.room_id == wanted.c.room_id, events.c.seq == wanted.c.head)
    found = connection.execute(
        select(wanted.c.name)
        .select_from(wanted)
        .outerjoin(events, newest)
        # It may be gone while older ones are kept for longer.
        .where(or_(events.c.created_at > since, events.c.created_at.is_(None)))
    ).scalars()
    changed = set(found)
    return here + [name for name, *_ in unread if name in changed]


def _after(
    connection: Connection,
    own: UserRooms,
    name: str,
    acked: _Acked,
    given: Cursor,
    since: datetime,
    now: datetime,
    limit: int,
) -> Sequence[Row[Any]]:
    place = own.places[name]
    wanted = and_(events.c.seq > acked.floor, ~in_ids(connection, events.c.seq, sorted(acked.beyond)))
    if name in given.positions:
        wanted = or_(wanted, events.c.seq > given.positions[name])
    elif given.mark is not None and place.members_version is not None:
        wanted = or_(wanted, events.c.mark >= given.mark)
    # Bounded by the head that was read before, as the position is.
    return connection.execute(
        select(*EVENT_COLUMNS, notifications)
        .outerjoin(notifications, notifications.c.id == events.c.notification_id)
        .where(
            events.c.room_id == place.room_id,
            wanted,
            events.c.seq > place.after,
            events.c.seq <= place.head,
            events.c.created_at > since,
            events.c.expires_at > now,
            is_for(connection, own.user),
        )
        .order_by(events.c.seq)
        .limit(limit)
    ).all()


def _acknowledge_in(
    connection: Connection, own: UserRooms, me: int, place: Place, seqs: set[int], now: datetime
) -> int:
    this = and_(event_acks.c.user_id == me, event_acks.c.room_id == place.room_id)
    connection.execute(
        insert_ignore(connection, event_acks).values(user_id=me, room_id=place.room_id, floor=0, beyond=[])
    )
    # This row is locked and not the room: acknowledging must not wait for writers to the room.
    known = connection.execute(select(event_acks).where(this).with_for_update()).one()
    floor, beyond = max(known.floor, place.after), set(known.beyond)
    named = [seq for seq in seqs if floor < seq <= place.head and seq not in beyond]
    there = connection.execute(
        select(events.c.seq, events.c.type, events.c.notification_id).where(
            events.c.room_id == place.room_id, in_ids(connection, events.c.seq, named), is_for(connection, own.user)
        )
    ).all()
    shown: list[UUID] = [row.notification_id for row in there if row.type == "notification:new"]
    if shown:
        acknowledge(connection, own.tenant, own.user, now, ids=shown)
    beyond |= {row.seq for row in there}
    floor = _raised(connection, own, place, floor, beyond, now)
    above = sorted(seq for seq in beyond if seq > floor)
    connection.execute(update(event_acks).where(this).values(floor=floor, beyond=above))
    return len(there)


def _raised(connection: Connection, own: UserRooms, place: Place, floor: int, beyond: set[int], now: datetime) -> int:
    """The number below the first event for the user that is neither acknowledged nor expired."""
    first = connection.execute(
        select(events.c.seq)
        .where(
            events.c.room_id == place.room_id,
            events.c.seq > floor,
            events.c.seq <= place.head,
            ~in_ids(connection, events.c.seq, sorted(beyond)),
            events.c.expires_at > now,
            is_for(connection, own.user),
        )
        .order_by(events.c.seq)
        .limit(1)
    ).scalar_one_or_none()
    return place.head if first is None else int(first) - 1
