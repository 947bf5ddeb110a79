"""The rooms of a user: their own, their tenant's, and the conversations that they are a member of.

Every reader of the log asks here each time. So nobody reads a room that is not theirs, whatever a cursor names.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, or_, select
from sqlalchemy.sql.expression import ScalarSelect

from models.conversations.tables import conversations, members
from models.events.commit_order import horizon
from models.events.tables import meta
from models.rooms.names import own_rooms, room_is
from models.rooms.tables import rooms
from models.users.tables import users

# A user who was invited is not a member yet.
INVITED = "invited"


class Place(NamedTuple):
    """A room, for one of its readers. Events up to `after` are not for them.

    `head` is the newest number, and everything up to `purged` may be gone. `mark`, `purged_mark` and `members_version`
    are those of a conversation, else None.
    """

    room_id: int
    head: int
    purged: int
    mark: int | None
    purged_mark: int | None
    after: int
    members_version: int | None

    def is_beyond(self, mark: int) -> bool:
        """Whether a cursor with this mark has to name the room: it may have events that the mark does not cover."""
        return self.members_version is None or self.is_since(mark)

    def is_since(self, mark: int | None) -> bool:
        """Whether it is a conversation with an event that has this mark or a higher one."""
        return mark is not None and (self.mark or 0) >= mark


@dataclass(frozen=True, slots=True)
class UserRooms:
    """The rooms of a user by their names, those that everybody has first. A room without any event may be missing.

    `mark`: every event with a lower mark is visible, and counted in the heads.
    """

    tenant: str
    user: str
    epoch: str
    mark: int
    places: dict[str, Place]

    @property
    def own(self) -> list[str]:
        """The names of the rooms that everybody has, whether or not they exist yet."""
        return own_rooms(self.tenant, self.user)

    @property
    def conversations(self) -> dict[str, int]:
        """The names of the conversations, with the versions of their members."""
        return {n: place.members_version for n, place in self.places.items() if place.members_version is not None}


def rooms_of(connection: Connection, tenant_id: str, user: str) -> UserRooms:
    """The rooms of a user, as they are now. A user who is not known has the tenant's."""
    present = epoch(connection)
    # Before the heads are read: what commits in between has a mark that is not lower.
    mark = horizon(connection)
    own = own_rooms(tenant_id, user)
    found = {
        f"{row.kind}:{row.key}": Place(row.id, row.head, row.purged, None, None, 0, None)
        # Not IN a list of tuples, for which SQLite reads the whole table.
        for row in connection.execute(select(rooms).where(or_(*(room_is(tenant_id, name) for name in own))))
    }
    places = {name: found[name] for name in own if name in found}
    joined = (
        select(
            rooms.c.key,
            rooms.c.id,
            rooms.c.head,
            rooms.c.purged,
            rooms.c.mark,
            rooms.c.purged_mark,
            members.c.after_seq,
            conversations.c.members_version,
        )
        .join(members, members.c.room_id == rooms.c.id)
        .join(conversations, conversations.c.room_id == rooms.c.id)
        .where(members.c.user_id == user_id(tenant_id, user), members.c.role != INVITED)
        .order_by(rooms.c.id)
    )
    places |= {f"conversation:{row[0]}": Place._make(row[1:]) for row in connection.execute(joined).all()}
    return UserRooms(tenant_id, user, present, mark, places)


def user_id(tenant_id: str, user: str) -> ScalarSelect[int]:
    """The row id of a user, inside a statement."""
    return select(users.c.id).where(users.c.tenant_id == tenant_id, users.c.external_id == user).scalar_subquery()


def members_among(
    connection: Connection, tenant_id: str, room: str, asked: Collection[str]
) -> tuple[int, frozenset[str]]:
    """Which of these users are members of a conversation now, and the version of its members.

    The version is 0 if there is no such conversation.
    """
    version = connection.execute(
        select(conversations.c.members_version)
        .join(rooms, rooms.c.id == conversations.c.room_id)
        .where(room_is(tenant_id, room))
    ).scalar_one_or_none()
    # Read after the version, so that a change in between is noticed by the next event.
    there = connection.execute(
        select(users.c.external_id)
        .join(members, members.c.user_id == users.c.id)
        .join(rooms, rooms.c.id == members.c.room_id)
        .where(room_is(tenant_id, room), members.c.role != INVITED, users.c.external_id.in_(list(asked)))
    ).scalars()
    return version or 0, frozenset(there)


def epoch(connection: Connection) -> str:
    """The log's incarnation."""
    return str(connection.execute(select(meta.c.value).where(meta.c.name == "epoch")).scalar_one())
