"""What a client without a position gets: events since a time, without those that its user has acknowledged.

A `Cursor` is exact; a time comes from the client's own clock. An acknowledged event is not returned again, and any
other event is, so neither a wrong clock nor a lost response loses an event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, or_, select, update

from models.deliveries.acknowledge import acknowledge
from models.events.cursor import Cursor
from models.events.log import EVENT_COLUMNS, Event, Replay, epoch, event_of
from models.events.tables import events
from models.notifications.tables import notifications
from models.polling.tables import event_acks
from models.rooms.names import room_is
from models.rooms.tables import rooms
from models.sql.statements import in_ids, insert_ignore
from models.users.queries import Person, upsert_users
from models.users.tables import users


@dataclass(frozen=True, slots=True)
class _Place:
    """A room, and what the user has acknowledged in it: everything up to `floor`, and the numbers in `beyond`."""

    room_id: int
    head: int
    purged: int
    floor: int
    beyond: frozenset[int]


def read_since(
    connection: Connection,
    tenant_id: str,
    user: str,
    names: Sequence[str],
    since: datetime,
    horizon: datetime,
    now: datetime,
    limit: int,
    given: Cursor | None = None,
) -> Replay:
    """The events of these rooms after `since` that the user has not acknowledged, without those that have expired.

    `given` is what the user's page has been given up to. Events after it are returned in any case: if they are
    acknowledged, another page of the user has them. `complete` is False if history was cut off by the `horizon`, before
    which nothing is kept, and the user had not acknowledged it.
    """
    found = _places(connection, tenant_id, user, names)
    present = epoch(connection)
    known = given.positions if given is not None and given.epoch == present else {}
    page: list[Event] = []
    positions: dict[str, int] = {}
    more = False
    for name, place in found.items():
        space = limit - len(page)
        rows = _after(connection, place, known.get(name), since, now, space + 1)
        if len(rows) > space:
            more = True
            # The next page begins with the first that has no place here.
            positions[name] = rows[space].seq - 1
            rows = rows[:space]
        else:
            positions[name] = place.head
        page += [event_of(name, row) for row in rows]
    lost = since < horizon and any(place.purged > place.floor for place in found.values())
    return Replay(page, Cursor(present, dict.fromkeys(names, 0) | positions), complete=not lost, more=more)


def acknowledged(connection: Connection, tenant_id: str, user: str, names: Sequence[str]) -> dict[str, int]:
    """The number in each room up to which the user has acknowledged everything."""
    return {name: place.floor for name, place in _places(connection, tenant_id, user, names).items()}


def acknowledge_events(
    connection: Connection, tenant_id: str, user: str, seqs: Mapping[str, Iterable[int]], now: datetime
) -> int:
    """Mark events, by room and number, as acknowledged by the user. Returns how many were not before.

    An unknown user is created. Numbers that do not exist change nothing. Acknowledging the event of a notification
    acknowledges its delivery as well.
    """
    [user_id] = upsert_users(connection, tenant_id, [Person(user)], now)
    new = 0
    # In one order, as all who lock several rooms.
    for name in sorted(seqs):
        new += _acknowledge_in(connection, tenant_id, user, user_id, name, set(seqs[name]), now)
    return new


def _places(connection: Connection, tenant_id: str, user: str, names: Sequence[str]) -> dict[str, _Place]:
    me = select(users.c.id).where(users.c.tenant_id == tenant_id, users.c.external_id == user).scalar_subquery()
    found: dict[str, _Place] = {}
    for name in names:
        row = connection.execute(
            select(rooms, event_acks.c.floor, event_acks.c.beyond)
            .select_from(rooms)
            .outerjoin(event_acks, and_(event_acks.c.room_id == rooms.c.id, event_acks.c.user_id == me))
            .where(room_is(tenant_id, name))
        ).one_or_none()
        if row is not None:
            found[name] = _place_of(row)
    return found


def _place_of(row: Row[Any]) -> _Place:
    return _Place(row.id, row.head, row.purged, row.floor or 0, frozenset(row.beyond or ()))


def _after(
    connection: Connection, place: _Place, given: int | None, since: datetime, now: datetime, limit: int
) -> Sequence[Row[Any]]:
    wanted = and_(events.c.seq > place.floor, ~in_ids(connection, events.c.seq, sorted(place.beyond)))
    if given is not None:
        wanted = or_(wanted, events.c.seq > given)
    # Bounded by the head that was read before, as the position is.
    return connection.execute(
        select(*EVENT_COLUMNS, notifications)
        .outerjoin(notifications, notifications.c.id == events.c.notification_id)
        .where(
            events.c.room_id == place.room_id,
            wanted,
            events.c.seq <= place.head,
            events.c.created_at > since,
            events.c.expires_at > now,
        )
        .order_by(events.c.seq)
        .limit(limit)
    ).all()


def _acknowledge_in(
    connection: Connection, tenant_id: str, user: str, user_id: int, name: str, seqs: set[int], now: datetime
) -> int:
    room = connection.execute(select(rooms.c.id, rooms.c.head).where(room_is(tenant_id, name))).one_or_none()
    if room is None:
        return 0
    this = and_(event_acks.c.user_id == user_id, event_acks.c.room_id == room.id)
    connection.execute(
        insert_ignore(connection, event_acks).values(user_id=user_id, room_id=room.id, floor=0, beyond=[])
    )
    # This row is locked and not the room: acknowledging must not wait for writers to the room.
    known = connection.execute(select(event_acks).where(this).with_for_update()).one()
    floor, beyond = known.floor, set(known.beyond)
    named = [seq for seq in seqs if floor < seq <= room.head and seq not in beyond]
    there = connection.execute(
        select(events.c.seq, events.c.type, events.c.notification_id).where(
            events.c.room_id == room.id, in_ids(connection, events.c.seq, named)
        )
    ).all()
    shown: list[UUID] = [row.notification_id for row in there if row.type == "notification:new"]
    if shown:
        acknowledge(connection, tenant_id, user, now, ids=shown)
    beyond |= {row.seq for row in there}
    floor = _raised(connection, room, floor, beyond, now)
    above = sorted(seq for seq in beyond if seq > floor)
    connection.execute(update(event_acks).where(this).values(floor=floor, beyond=above))
    return len(there)


def _raised(connection: Connection, room: Any, floor: int, beyond: set[int], now: datetime) -> int:
    """The number below the first event that is neither acknowledged nor expired."""
    first = connection.execute(
        select(events.c.seq)
        .where(
            events.c.room_id == room.id,
            events.c.seq > floor,
            events.c.seq <= room.head,
            ~in_ids(connection, events.c.seq, sorted(beyond)),
            events.c.expires_at > now,
        )
        .order_by(events.c.seq)
        .limit(1)
    ).scalar_one_or_none()
    return int(room.head) if first is None else int(first) - 1
