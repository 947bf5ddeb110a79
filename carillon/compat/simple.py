"""The functions of the simple system, where a notification is a dict of a message, a type and whatever else."""

from __future__ import annotations

import hashlib
import re
from itertools import islice
from typing import Any

from carillon import calls
from carillon.compat import transport
from carillon.levels import is_level
from carillon.own_ids import own_id
from carillon.text import cut

_MAX_TITLE = 200
_MAX_PAGE = 200
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def send_notification(user_id: object, notification: dict[str, Any], *, connection: Any = None) -> dict[str, str]:
    """Store a notification for one user and send it on every channel. Returns id, notification_id, created_at."""
    return transport.send([user_id], connection=connection, **_fields(notification))


def send_broadcast_notification(notification: dict[str, Any], *, connection: Any = None) -> dict[str, str]:
    """Send a notification to all users of the tenant, online or not."""
    return transport.send(None, connection=connection, **_fields(notification))


def save_notification(user_id: object, notification: dict[str, Any], *, connection: Any = None) -> dict[str, str]:
    """Store a notification for one user without push and e-mail; open pages show it, and so does the history.

    One that has an `id` is stored once, however often it is saved. Saving other content with that id is an error.
    """
    known = notification.get("id")
    key = None if known is None else _key(f"save_notification:{user_id}:{known}")
    fields = _fields(notification) | {"channels": ["in_app"], "idempotency_key": key}
    return transport.send([user_id], connection=connection, **fields)


def get_notifications_for_user(
    user_id: object, unread_only: bool = True, *, limit: int = 100, before: str | None = None
) -> list[dict[str, Any]]:
    """Return a user's notifications over HTTP, newest first, as the inbox of the API has them.

    `id` is the service's own, if it gave one, and Carillon's is `carillon_id` then. `before`: only those older than the
    one with this id of Carillon's.
    """
    call = calls.list_of(
        dict[str, Any],
        calls.inbox_path(str(user_id)),
        before,
        min(limit, _MAX_PAGE),
        {"status": "unread" if unread_only else "all"},
    )
    return list(map(_with_own_id, islice(transport.http().pages(call), limit)))


def get_user_sessions(user_id: object, tenant: str | None = None) -> list[str]:
    """Return the ids of the connections that a user has open now, on every device, for `send_direct_message`.

    One that has just closed may be among them for some seconds.
    """
    return transport.http(tenant).connections(str(user_id))


def send_direct_message(session_id: str, message: dict[str, Any]) -> None:
    """Send a message to one connection, which receives it as `direct_message`, now or never.

    It is not stored and has no number: a connection that is gone does not receive it.
    """
    transport.http().send_to_connection(session_id, message)


def get_connection_metrics(tenant: str | None = None) -> dict[str, int]:
    """Return how many web_processes there are; and of the tenant: users online, their connections, their rooms."""
    return transport.http(tenant).count_connections().model_dump()


def _with_own_id(item: dict[str, Any]) -> dict[str, Any]:
    own = own_id(item.get("data", {}), "notification_id", item.get("reference"))
    if own is None:
        return item
    return item | {"id": own, "notification_id": own, "carillon_id": item["id"]}


def _fields(notification: dict[str, Any]) -> dict[str, Any]:
    """In Carillon's fields: their `type` is a level if it is one, and what has no field of its own is data."""
    other = dict(notification)
    ids = (other.pop("notification_id", None), other.pop("id", None))
    message = str(other.pop("message"))
    lines = (" ".join(line.split()) for line in message.splitlines())
    fields: dict[str, Any] = {
        "message": message,
        "title": str(other.pop("title", None) or cut(next(filter(None, lines), message), _MAX_TITLE)),
        "category": other.pop("category", None),
        "url": other.pop("url", None),
        "notification_id": next((own for own in ids if own is not None), None),
    }
    # None is none.
    kind = other.pop("type", None) or "info"
    fields |= {"level": kind} if is_level(kind) else {"type": str(kind)}
    return fields | {"data": {name: value for name, value in other.items() if name != "timestamp"}}


def _key(text: str) -> str:
    return text if _KEY.fullmatch(text) else hashlib.sha256(text.encode()).hexdigest()
