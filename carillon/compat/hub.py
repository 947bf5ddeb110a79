"""The functions of the unified hub. `connection` as in carillon.Outbox; without one they go over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from carillon.compat import transport
from carillon.compat.levels import level_of

# Carillon sends the true counts itself, after every change.
_COUNTS = frozenset({"notification:count", "alert:count"})


class NotificationHandler:
    """Notifications."""

    @staticmethod
    def create_and_emit(
        account_key: str | None,
        target_user_key: object,
        title: str,
        message: str,
        *,
        connection: Any = None,
        **fields: Any,
    ) -> dict[str, str]:
        """Store a notification for one user and send it on every channel. Returns id, notification_id, created_at.

        `fields` are those of carillon.Notification, and `idempotency_key`. `expires_in` may be a timedelta.
        """
        fields |= {"title": title, "message": message}
        return transport.send([target_user_key], tenant=account_key, connection=connection, **fields)


class AlertHandler:
    """Alerts."""

    @staticmethod
    def create_and_emit(
        account_key: str | None,
        title: str,
        message: str,
        severity: str = "warning",
        *,
        type: str = "alert",
        data: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        expires_in: timedelta | int | None = None,
        connection: Any = None,
    ) -> dict[str, str]:
        """Store an alert for the whole tenant and show it to all its users. Returns id, alert_id, created_at."""
        return transport.raise_alert(
            tenant=account_key,
            connection=connection,
            title=title,
            message=message,
            level=level_of(severity),
            type=type,
            data=data,
            idempotency_key=idempotency_key,
            expires_in=expires_in,
        )


class EventEmitter:
    """Events of the catalogue. They are stored and numbered, so that a client that is offline receives them later."""

    @staticmethod
    def emit_to_user(
        user_key: object, event: str, data: dict[str, Any], *, tenant: str | None = None, connection: Any = None
    ) -> int:
        """Emit to one user, created if need be. Returns 1.

        `notification:new` sends a notification. Counts are ignored and return 0, because the server sends them.
        """
        if event == "notification:new":
            _notify(user_key, data, tenant, connection)
            return 1
        if event in _COUNTS:
            return 0
        return transport.publish([user_key], event, data, tenant=tenant, connection=connection)

    @staticmethod
    def emit_to_account(account_key: str | None, event: str, data: dict[str, Any], *, connection: Any = None) -> int:
        """Emit to all users of the tenant. Returns 1. `alert:new` raises an alert; counts are ignored and return 0."""
        if event == "alert:new":
            fields = {name: data[name] for name in ("severity", "type", "data") if name in data}
            AlertHandler.create_and_emit(account_key, data["title"], data["message"], connection=connection, **fields)
            return 1
        if event in _COUNTS:
            return 0
        return transport.publish(None, event, data, tenant=account_key, connection=connection)

    @staticmethod
    def emit_to_room(
        room_id: str, event: str, data: dict[str, Any], *, tenant: str | None = None, connection: Any = None
    ) -> int:
        """Emit to one room, `user:<id>` or `tenant:<id>`. Returns 1; 0 for counts. Raises LookupError for others."""
        if event in _COUNTS:
            return 0
        kind, _, name = room_id.partition(":")
        if kind == "user" and name:
            return transport.publish([name], event, data, tenant=tenant, connection=connection)
        if kind == "tenant" and name and tenant in (None, name):
            return transport.publish(None, event, data, tenant=name, connection=connection)
        raise LookupError(f"there is no room {room_id!r}: rooms are user:<id> and tenant:<id>")

    @staticmethod
    def broadcast(event: str, data: dict[str, Any], *, connection: Any = None) -> int:
        """Emit to all users of the configured tenant. Returns 1."""
        return EventEmitter.emit_to_account(transport.configured_tenant(), event, data, connection=connection)


def _notify(user: object, data: dict[str, Any], tenant: str | None, connection: Any) -> None:
    other = {name: value for name, value in data.items() if name not in ("title", "message", "type", "created_at")}
    reference = other.pop("notification_id", None)
    transport.send(
        [user],
        tenant=tenant,
        connection=connection,
        title=data["title"],
        message=data["message"],
        type=data.get("type") or "notification",
        data=other,
        reference=str(reference) if reference is not None else None,
    )
