"""Emit an event of the catalogue: check it, and append it to the log or stage it, in the caller's transaction.

After the commit, ring `Bells.publish`; without it the relay finds the event within a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import uuid_utils.compat
from sqlalchemy import ColumnElement, Connection

from carillon.payload import payload_error
from models.catalogue.event_type import EventType, bounded_key
from models.catalogue.queries import find
from models.catalogue.schema import payload_errors
from models.catalogue.source import Catalogue, built_in
from models.events.log import append_and_publish
from models.events.publishing import stage
from models.rooms.names import room_is
from models.rooms.tables import rooms
from models.sql.statements import in_ids
from models.timestamps import iso
from models.users.queries import Person, upsert_users


class NotEmitted(ValueError):
    """The event is not one that may be emitted. The message says why, for people; `code` for programs."""

    code = "event"


class UnknownType(NotEmitted):
    """The catalogue has no such type."""

    code = "unknown_event_type"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no event type {name[:64]!r}")


class ReservedType(NotEmitted):
    """Events of this type are not for services to emit."""

    code = "reserved_event_type"

    def __init__(self, type_: EventType) -> None:
        why = "its name is reserved" if type_.emitted_by == "nobody" else "Carillon emits it itself"
        super().__init__(f"{type_.name} cannot be published: {why}")


class WrongRoom(NotEmitted):
    """Events of this type do not go to such a room."""

    code = "wrong_audience"

    def __init__(self, type_: EventType, kind: str) -> None:
        super().__init__(f"{type_.name} goes to {' or '.join(type_.rooms)} rooms, not to {kind} rooms")


class NoWindow(NotEmitted):
    """A key was given for a type whose events do not replace one another."""

    code = "no_window"

    def __init__(self, type_: EventType) -> None:
        super().__init__(f"{type_.name} has no coalescing window, so a key has no meaning for it")


class BadPayload(NotEmitted):
    """The payload is not as the catalogue has it. `faults` are (where, what) pairs."""

    code = "payload"

    def __init__(self, type_: EventType, faults: Sequence[tuple[str, str]]) -> None:
        self.faults = list(faults)
        where, what = self.faults[0]
        super().__init__(f"the payload of {type_.name} is not valid: {where + ': ' if where else ''}{what}")


@dataclass(frozen=True, slots=True)
class Checked:
    """An event that may be emitted."""

    type: EventType
    data: dict[str, Any]
    key: str


def check(
    connection: Connection,
    tenant_id: str,
    kind: str,
    name: str,
    data: dict[str, Any],
    now: datetime,
    catalogue: Catalogue | None = None,
    key: str | None = None,
) -> Checked:
    """Hold an event for rooms of this kind against the catalogue. Raises NotEmitted.

    The payload is completed by an `id` and `created_at` where it has none, so that it is the same on every way to the
    screen.
    """
    type_ = find(connection, tenant_id, name, built_in() if catalogue is None else catalogue)
    if type_ is None:
        raise UnknownType(name)
    if type_.reserved:
        raise ReservedType(type_)
    if kind not in type_.rooms:
        raise WrongRoom(type_, kind)
    if key is not None and type_.coalesce is None:
        raise NoWindow(type_)
    wrong = payload_error(data)
    faults = [("", wrong)] if wrong else payload_errors(type_.payload, data)
    if faults:
        raise BadPayload(type_, faults)
    complete = {"id": str(uuid_utils.compat.uuid7()), **data}
    complete.setdefault("created_at", iso(now))
    return Checked(type_, complete, bounded_key(key) if key is not None else type_.key_of(data))


def write(connection: Connection, which: ColumnElement[bool], event: Checked, now: datetime) -> int:
    """Append the event in each of these rooms, or stage it where its type has a window. Returns how many there are."""
    type_ = event.type
    if type_.coalesce is None:
        return append_and_publish(
            connection, which, type_.name, event.data, now, type_.expires_at(now), lane=type_.lane
        )
    due_at = type_.window_ends(now)
    return stage(
        connection, which, type_.name, event.key, event.data, due_at, type_.expires_at(due_at), lane=type_.lane
    )


def emit(
    connection: Connection,
    tenant_id: str,
    room: str,
    name: str,
    data: dict[str, Any],
    now: datetime,
    catalogue: Catalogue | None = None,
    key: str | None = None,
) -> str:
    """Emit one event to one room, `kind:key`. Returns its id.

    `key` is what events of its type that replace one another have in common, in place of the paths of the catalogue.
    Raises NotEmitted, or LookupError if there is no such room.
    """
    kind = room.partition(":")[0]
    event = check(connection, tenant_id, kind, name, data, now, catalogue, key)
    if not write(connection, room_is(tenant_id, room), event, now):
        raise LookupError(f"no room {kind}")
    return str(event.data["id"])


def emit_to_users(
    connection: Connection,
    tenant_id: str,
    users: Sequence[str],
    name: str,
    data: dict[str, Any],
    now: datetime,
    catalogue: Catalogue | None = None,
    key: str | None = None,
) -> int:
    """Emit one event to each of these users, created if need be. Returns how many they are. Raises NotEmitted."""
    event = check(connection, tenant_id, "user", name, data, now, catalogue, key)
    user_ids = upsert_users(connection, tenant_id, map(Person, users), now)
    return write(connection, in_ids(connection, rooms.c.user_id, user_ids), event, now) if user_ids else 0
