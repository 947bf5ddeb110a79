"""The names by which services of the four namespaces know us."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from carillon.events import EventEmitter
from carillon.installation import Caller
from carillon.notifications import send


def broadcast_sns_event(event: str, user_id: object, data: dict[str, Any], *, connection: Caller = None) -> int:
    """Emit `sns:<event>` to one user; clients of /sns hear it as `<event>`. Raises models.events.emit.NotEmitted."""
    return EventEmitter.emit_to_user(user_id, f"sns:{event}", data, connection=connection)


def broadcast_order_event(event: str, user_id: object, data: dict[str, Any], *, connection: Caller = None) -> int:
    """Emit `orders:<event>` to one user; clients of /orders receive it as `<event>`. Raises NotEmitted."""
    return EventEmitter.emit_to_user(user_id, f"orders:{event}", data, connection=connection)


def broadcast_notification(
    user_id: object,
    notification_type: str,
    title: str,
    message: str,
    action_url: str | None = None,
    *,
    connection: Caller = None,
) -> dict[str, str]:
    """Send one user a notification. `action_url` may be a path of the service's own site."""
    absolute = action_url if action_url and action_url.startswith(("https://", "http://")) else None
    data = {"action_url": action_url} if action_url else {}
    return send([user_id], title, message, type=notification_type, data=data, url=absolute, connection=connection)


def notify_sns_publish_success(
    user_id: object, post_id: object, platforms: Sequence[str], *, connection: Caller = None
) -> dict[str, str]:
    """Keep a notification for the user that a post was published, and show it."""
    return send(
        [user_id],
        "Published",
        f"Your post was published to {', '.join(platforms)}.",
        type="sns_publish_success",
        level="success",
        data={"post_id": post_id, "platforms": list(platforms)},
        connection=connection,
    )


carillon_sns_publish_success = notify_sns_publish_success
