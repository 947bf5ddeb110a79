"""The functions of the four namespaces. `connection` as in carillon.Outbox; without one they go over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from carillon.compat import transport


def broadcast_sns_event(event: str, user_id: object, data: dict[str, Any], *, connection: Any = None) -> int:
    """Emit `sns:<event>` to one user; clients of /sns receive it as `<event>`. Returns 1."""
    return transport.publish([user_id], f"sns:{event}", data, connection=connection)


def broadcast_order_event(event: str, user_id: object, data: dict[str, Any], *, connection: Any = None) -> int:
    """Emit `orders:<event>` to one user; clients of /orders receive it as `<event>`. Returns 1."""
    return transport.publish([user_id], f"orders:{event}", data, connection=connection)


def broadcast_notification(
    user_id: object,
    notification_type: str,
    title: str,
    message: str,
    action_url: str | None = None,
    *,
    connection: Any = None,
) -> dict[str, str]:
    """Send one user a notification. `action_url` may be a path of the service's own site."""
    absolute = action_url if action_url and action_url.startswith(("https://", "http://")) else None
    return transport.send(
        [user_id],
        connection=connection,
        title=title,
        message=message,
        type=notification_type,
        data={"action_url": action_url} if action_url else None,
        url=absolute,
    )


def notify_sns_publish_success(
    user_id: object, post_id: object, platforms: Sequence[str], *, connection: Any = None
) -> dict[str, str]:
    """Send one user the notification that a post was published."""
    return transport.send(
        [user_id],
        connection=connection,
        title="Published",
        message=f"Your post was published to {', '.join(platforms)}.",
        type="sns_publish_success",
        level="success",
        data={"post_id": post_id, "platforms": list(platforms)},
    )


carillon_sns_publish_success = notify_sns_publish_success
