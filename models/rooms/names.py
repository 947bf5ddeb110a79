"""The rooms of the event log, by the names that code and clients use for them: `kind:key`."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_

from models.rooms.tables import rooms


def user_room(user: str) -> str:
    """The room of one user."""
    return f"user:{user}"


def tenant_room(tenant_id: str) -> str:
    """The room of a whole tenant."""
    return f"tenant:{tenant_id}"


def conversation_room(conversation: str) -> str:
    """The room of a conversation."""
    return f"conversation:{conversation}"


def own_rooms(tenant_id: str, user: str) -> list[str]:
    """The rooms that every user has. Conversations are in models/events/user_rooms.py."""
    return [user_room(user), tenant_room(tenant_id)]


def kind_of(room: str) -> str:
    """The kind of a room: user, tenant or conversation."""
    return room.partition(":")[0]


def room_is(tenant_id: str, room: str) -> ColumnElement[bool]:
    """The row of this room."""
    kind, _, key = room.partition(":")
    return and_(rooms.c.tenant_id == tenant_id, rooms.c.kind == kind, rooms.c.key == key)
