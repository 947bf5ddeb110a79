"""The names by which services of the simple kind know us: a notification is a message, a type, and whatever else."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from carillon.installation import Caller, installation, now, reading
from carillon.notifications import LEVELS, LONGEST_TITLE, send
from models.events.vocabulary import notification_new
from models.inbox.queries import Filter, list_items
from models.timestamps import iso


def send_notification(user_id: object, notification: dict[str, Any], *, connection: Caller = None) -> dict[str, str]:
    """Keep a notification for one user and show it on every channel that reaches them."""
    return send([user_id], connection=connection, **_fields(notification))


def send_broadcast_notification(notification: dict[str, Any], *, connection: Caller = None) -> dict[str, str]:
    """The same for everybody in the tenant, those who are away included."""
    return send(None, connection=connection, **_fields(notification))


def save_notification(user_id: object, notification: dict[str, Any], *, connection: Caller = None) -> dict[str, str]:
    """Keep a notification for one user without push or e-mail; it shows on open pages and in the history.

    One that has an `id` is kept once, however often it is saved.
    """
    known = notification.get("id")
    key = f"save_notification:{user_id}:{known}"[:255] if known is not None else None
    fields = _fields(notification)
    return send([user_id], channels=["in_app"], idempotency_key=key, connection=connection, **fields)


def get_notifications_for_user(
    user_id: object,
    unread_only: bool = True,
    *,
    limit: int = 100,
    before: str | None = None,
    connection: Caller = None,
) -> list[dict[str, Any]]:
    """What the user's inbox shows, newest first, below the id `before`: as clients hear it, and whether it is read."""
    which = Filter(status="unread" if unread_only else "all")
    tenant = installation().tenant_or(None)
    newest = UUID(before) if before else None
    with reading(connection) as own:
        items = list_items(own, tenant, str(user_id), which, now(), before=newest, limit=limit)
    return [
        notification_new(item.content)
        | {"read": item.read_at is not None, "read_at": iso(item.read_at) if item.read_at else None}
        for item in items
    ]


def _fields(notification: dict[str, Any]) -> dict[str, Any]:
    """In our words: their `type` is a level, and what we have no word for is data."""
    other = dict(notification)
    message = str(other.pop("message"))
    first_line = next(iter(message.splitlines()), message)
    fields: dict[str, Any] = {
        "message": message,
        "title": str(other.pop("title", None) or first_line[:LONGEST_TITLE]),
        "category": other.pop("category", None),
        "url": other.pop("url", None),
    }
    kind = other.pop("type", "info")
    fields |= {"level": kind} if kind in LEVELS else {"type": str(kind)}
    return fields | {"data": {name: value for name, value in other.items() if name not in ("id", "timestamp")}}
