"""Names and payloads of the events that clients are sent, the same for live events, replay and polling."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from carillon.own_ids import own_id
from models.notifications.content import Content
from models.timestamps import iso

NOTIFICATION_NEW = "notification:new"

NOTIFICATION_DELETED = "notification:deleted"


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


def notification_deleted(content: Content) -> dict[str, Any]:
    """The payload of `notification:deleted` for a notification that is withdrawn, without the seq."""
    own = own_id(content.data, "notification_id", content.reference)
    return {
        "id": content.notification_id,
        "notification_id": content.notification_id,
        **({"own_ids": [own]} if own is not None else {}),
    }
