"""What clients hear: the names and payloads of events, and the form in which a batch of them travels through Redis.

Used by whoever publishes (channels/in_app.py) and by whoever emits or replays (web/realtime), so that an event looks
the same on every way to the screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.content import Content
from models.moments import iso

NOTIFICATION_NEW = "notification:new"
NOTIFICATION_DELETED = "notification:deleted"

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


def notification_new(content: Content) -> dict[str, Any]:
    """The payload of `notification:new`, without the seq, which differs from room to room.

    The id is given under both names that existing clients look for.
    """
    return {
        "id": content.notification_id,
        "notification_id": content.notification_id,
        "title": content.title,
        "message": content.message,
        "data": content.data,
        "level": content.level,
        "severity": content.level,
        "priority": content.priority,
        "category": content.category,
        "type": content.type,
        "collapse_key": content.collapse_key,
        "reference": content.reference,
        "url": content.url,
        "created_at": iso(content.created_at),
        "timestamp": iso(content.created_at),
        "expires_at": iso(content.expires_at),
    }


def generic(data: dict[str, Any] | None, created_at: datetime) -> dict[str, Any]:
    """The payload of any other event, without the seq: what it says, and when it was said."""
    return {"created_at": iso(created_at)} | (data or {})


def notification_deleted(notification_id: str) -> dict[str, Any]:
    """The payload of `notification:deleted`, without the seq."""
    return {"id": notification_id, "notification_id": notification_id}
