"""The form in which a batch of events travels through Redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# What a service says to one session; it is in no room and no log.
DIRECT_MESSAGE = "direct_message"

# The name under which a batch passes through the Socket.IO message queue. No client ever sees it.
BATCH = "carillon:batch"


@dataclass(frozen=True, slots=True)
class Group:
    """One event for many rooms: `rooms` holds (room as the Socket.IO server knows it, seq) pairs."""

    event: str
    payload: dict[str, Any]
    rooms: list[tuple[str, int]]


def room_name(tenant: str, room: str) -> str:
    """The Socket.IO room of a room of the log (`user:alice`). A tenant's id has no slash, so no two can collide."""
    return f"{tenant}/{room}"
