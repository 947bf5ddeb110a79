"""The functions of the unified hub. `connection` as in carillon.Outbox; without one they go over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

from carillon.compat import transport

# Carillon sends the true counts itself, after every change.
_COUNTS = frozenset({"notification:count", "alert:count"})

# What the server sends once it is so: a service that emits it wants it done.
_CHANGES: dict[str, Literal["read", "delete", "read_all"]] = {
    "notification:read": "read",
    "notification:deleted": "delete",
    "notification:read_all": "read_all",
}


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

        `fields` are those of carillon.Notification, `idempotency_key`, and `notification_id`, the service's own id.
        `expires_in` may be a timedelta, and `level` a severity of another scale.
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
        alert_id: str | int | None = None,
        data: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        expires_in: timedelta | int | None = None,
        connection: Any = None,
    ) -> dict[str, str]:
        """Store an alert for the whole tenant and show it to all its users. Returns id, alert_id, created_at.

        `severity` can be of another scale. `alert_id` is the service's own id of it.
        """
        return transport.raise_alert(
            tenant=account_key,
            connection=connection,
            title=title,
            message=message,
            severity=severity,
            type=type,
            alert_id=alert_id,
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

        `notification:new` sends a notification. `notification:read`, `:deleted` and `:read_all` make it so, after which
        the server tells the user's pages. For a notification that the user does not have they return 0. Counts are
        ignored and return 0, because the server sends them.
        """
        if event == "notification:new":
            _notify(user_key, data, tenant, connection)
            return 1
        if event in _CHANGES:
            change = _CHANGES[event]
            named = None if change == "read_all" else _id(data, "notification_id")
            return transport.change_inbox(user_key, change, named, tenant=tenant, connection=connection)
        if event in _COUNTS:
            return 0
        return transport.publish([user_key], event, data, tenant=tenant, connection=connection)

    @staticmethod
    def emit_to_account(account_key: str | None, event: str, data: dict[str, Any], *, connection: Any = None) -> int:
        """Emit to all users of the tenant. Returns 1. `alert:new` raises an alert; counts are ignored and return 0."""
        if event == "alert:new":
            _alert(account_key, data, connection)
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
    fields, other = _split(data, "notification_id", ("title", "message", "type", "level", "severity"))
    transport.send([user], tenant=tenant, connection=connection, data=other, **fields)


def _alert(account_key: str | None, data: dict[str, Any], connection: Any) -> None:
    fields, other = _split(data, "alert_id", ("title", "message", "type", "level", "severity"))
    transport.raise_alert(tenant=account_key, connection=connection, data=other or None, **fields)


def _split(data: dict[str, Any], id_name: str, names: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split what an old system emitted into our fields, and what has no field of its own, which is data."""
    other = {name: value for name, value in data.items() if name not in (*names, "id", id_name, "created_at", "data")}
    fields = {name: data.get(name) for name in names} | {id_name: _id(data, id_name)}
    return fields, other | (data.get("data") or {})


def _id(data: dict[str, Any], name: str) -> Any:
    return data.get(name, data.get("id"))
