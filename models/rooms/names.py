"""The rooms of the event log, by the names that code and clients use for them."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    and_,
)

from models.rooms.tables import rooms


def room_is(tenant_id: str, room: str) -> ColumnElement[bool]:
    """The row of this room, `kind:key`."""
    kind, _, key = room.partition(":")
    return and_(rooms.c.tenant_id == tenant_id, rooms.c.kind == kind, rooms.c.key == key)
