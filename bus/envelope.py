"""The form in which a batch of events travels through Redis: written here, and read here."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bus.signature import Signature

# What a service says to one session; it is in no room and no log.
DIRECT_MESSAGE = "direct_message"

# The name under which a batch passes through the Socket.IO message queue. No client ever sees it.
BATCH = "carillon:batch"

# In place of a host: the sender of presence, which is a script in Redis.
PRESENCE = "presence"

# Redis copies a published message into the output buffer of every subscriber, and disconnects a subscriber whose buffer
# exceeds 32 MB (client-output-buffer-limit). A batch of a thousand with one content has about 60 kB.
MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Group:
    """One event for many rooms: `rooms` holds (room as the Socket.IO server knows it, seq) pairs.

    In conversations: `audience` are the users whom it is for, all members if None; `without` is a user whom it is not
    for; `members_version` is that of the members when it was published.
    """

    event: str
    payload: dict[str, Any]
    rooms: list[tuple[str, int]]
    audience: list[str] | None = None
    without: str | None = None
    members_version: int | None = None


class Entry(NamedTuple):
    """An event for one room. Entries with the same `key` differ in `room` and `seq` alone."""

    key: Hashable
    event: str
    payload: dict[str, Any]
    room: str
    seq: int
    audience: list[str] | None = None
    members_version: int | None = None


@dataclass(slots=True)
class Envelope:
    """What travels in one message, and the positions of its entries among those that were packed."""

    groups: dict[Hashable, Group] = field(default_factory=dict)
    positions: list[int] = field(default_factory=list)
    size: int = 0


def room_name(tenant: str, room: str) -> str:
    """The Socket.IO room of a room of the log (`user:alice`). A tenant's id has no slash, so no two can collide."""
    return f"{tenant}/{room}"


def pack(entries: Iterable[Entry]) -> list[Envelope]:
    """Put entries into envelopes of at most MAX_BYTES, in their order; every envelope has at least one."""
    envelopes: list[Envelope] = []
    payload_sizes: dict[Hashable, int] = {}
    for position, entry in enumerate(entries):
        if entry.key not in payload_sizes:
            payload_sizes[entry.key] = len(json.dumps([entry.payload, entry.audience])) + len(entry.event)
        # In JSON: the room's name, its number of at most 19 digits, and punctuation.
        size = len(json.dumps(entry.room)) + 25
        envelope = envelopes[-1] if envelopes else None
        if envelope is not None:
            added = size + (0 if entry.key in envelope.groups else payload_sizes[entry.key])
        if envelope is None or envelope.size + added > MAX_BYTES:
            envelope = Envelope()
            envelopes.append(envelope)
        if entry.key not in envelope.groups:
            envelope.groups[entry.key] = Group(
                entry.event, entry.payload, [], entry.audience, members_version=entry.members_version
            )
            envelope.size += payload_sizes[entry.key]
        envelope.groups[entry.key].rooms.append((entry.room, entry.seq))
        envelope.positions.append(position)
        envelope.size += size
    return envelopes


def message(groups: Sequence[Group], host_id: str) -> dict[str, Any]:
    """The message of the Socket.IO queue that carries these groups."""
    return _message([_members(group) for group in groups], host_id)


def direct_message(tenant: str, connection: str, data: dict[str, Any], host_id: str) -> dict[str, Any]:
    """The message of the queue for one connection. Web processes pass it on only to a session of the tenant."""
    return {
        "method": "emit",
        "event": DIRECT_MESSAGE,
        "data": data,
        "binary": False,
        "namespace": "/",
        "room": connection,
        "skip_sid": None,
        "callback": None,
        "host_id": host_id,
        "tenant": tenant,
    }


def opened(data: bytes, signature: Signature) -> dict[str, Any] | None:
    """Return the message of the queue that was received, or None if it is not to be believed.

    Messages are signed, except for presence: who can write to Redis can change presence there (docs/adr/0033). Raises
    bus.signature.KeyUnavailable.
    """
    if data.startswith(_HEAD) and data.endswith(_TAIL):
        try:
            announced = _PRESENCE.validate_json(data[len(_HEAD) : -len(_TAIL)])
        except ValidationError:
            return None
        return _message([group.model_dump() for group in announced if group.is_possible()], PRESENCE)
    if not signature.is_on(data):
        return None
    # A strict parser would lose a batch because of one NaN.
    message: dict[str, Any] = json.loads(data)
    return message


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Present(_Strict):
    id: Annotated[str, Field(max_length=256)]
    user: Annotated[str, Field(max_length=256)]
    status: Literal["online", "away", "busy", "offline"]
    created_at: Annotated[str, Field(max_length=40)]


class _Announced(_Strict):
    event: str
    payload: _Present
    rooms: Annotated[list[tuple[str, Literal[0]]], Field(min_length=1, max_length=1)]

    def is_possible(self) -> bool:
        """Whether it is about one user, and for the room of a whole tenant."""
        tenant, _, room = self.rooms[0][0].partition("/")
        payload = self.payload
        return self.event == f"presence:{payload.status}" and payload.id == payload.user and room == f"tenant:{tenant}"


_PRESENCE = TypeAdapter(list[_Announced])


def groups_in(message: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The groups that a message carries, as dicts of the fields of Group that have a value. None if it is not ours."""
    if message.get("event") != BATCH:
        return None
    groups: list[dict[str, Any]] = message["data"][0]
    return groups


def _members(group: Group) -> dict[str, Any]:
    members = {"event": group.event, "payload": group.payload, "rooms": group.rooms}
    of_conversations = {name: getattr(group, name) for name in ("audience", "without", "members_version")}
    return members | {name: value for name, value in of_conversations.items() if value is not None}


def _message(groups: object, host_id: str) -> dict[str, Any]:
    return {
        "method": "emit",
        "event": BATCH,
        "data": [groups],
        "binary": False,
        "namespace": "/",
        # Without a room, a Socket.IO server that does not know BATCH would emit it to all its clients.
        "room": BATCH,
        "skip_sid": None,
        "callback": None,
        "host_id": host_id,
    }


# The JSON before and after the groups, for the script in Redis that announces presence and makes the groups itself.
PRESENCE_FRAME = tuple(json.dumps(_message("GROUPS", PRESENCE)).split('"GROUPS"'))
_HEAD, _TAIL = (part.encode() for part in PRESENCE_FRAME)
