"""Emit events of the catalogue, in the caller's transaction."""

from __future__ import annotations

from typing import Any

from carillon.alerts import AlertHandler
from carillon.installation import Caller, installation, now, transaction
from carillon.notifications import send
from models.events.emit import emit, emit_to_users

# Carillon tells these itself, after every change.
_COUNTS = frozenset({"notification:count", "alert:count"})

_KINDS = ("user", "tenant", "conversation")


class EventEmitter:
    """Events by the names of the unified hub.

    What these methods emit is kept and numbered, so a client that is away hears it later. They raise
    models.events.emit.NotEmitted for an event that the catalogue does not know or whose payload is not as it has it.
    """

    @staticmethod
    def emit_to_user(
        user_key: object, event: str, data: dict[str, Any], *, tenant: str | None = None, connection: Caller = None
    ) -> int:
        """Emit to one user, created if need be. Returns 1.

        `notification:new` sends a notification, of which everything else follows. Counts are passed over with 0: the
        true ones are told by Carillon.
        """
        if event == "notification:new":
            _notify(str(user_key), data, tenant, connection)
            return 1
        if event in _COUNTS:
            return 0
        here = installation()
        with transaction(connection) as (own, after_commit):
            number = emit_to_users(
                own, here.tenant_or(tenant), [str(user_key)], event, data, now(), catalogue=here.catalogue
            )
            after_commit(installation().bells.publish)
        return number

    @staticmethod
    def emit_to_account(account_key: str, event: str, data: dict[str, Any], *, connection: Caller = None) -> int:
        """Emit to everybody in the tenant. Returns 1. `alert:new` raises an alert; counts are passed over with 0."""
        if event == "alert:new":
            fields = {name: data[name] for name in ("severity", "type", "data") if name in data}
            AlertHandler.create_and_emit(account_key, data["title"], data["message"], connection=connection, **fields)
            return 1
        return EventEmitter.emit_to_room(
            f"tenant:{account_key}", event, data, tenant=account_key, connection=connection
        )

    @staticmethod
    def emit_to_room(
        room_id: str, event: str, data: dict[str, Any], *, tenant: str | None = None, connection: Caller = None
    ) -> int:
        """Emit to one room: `user:<id>`, `tenant:<id>`, or the id of a conversation. Returns 1.

        Raises LookupError where there is no such room.
        """
        if event in _COUNTS:
            return 0
        here = installation()
        room = room_id if room_id.partition(":")[0] in _KINDS else f"conversation:{room_id}"
        with transaction(connection) as (own, after_commit):
            emit(own, here.tenant_or(tenant), room, event, data, now(), catalogue=here.catalogue)
            after_commit(installation().bells.publish)
        return 1

    @staticmethod
    def broadcast(event: str, data: dict[str, Any], *, connection: Caller = None) -> int:
        """Emit to everybody in the configured tenant. Returns 1."""
        return EventEmitter.emit_to_account(installation().tenant_or(None), event, data, connection=connection)


def _notify(user: str, data: dict[str, Any], tenant: str | None, connection: Caller) -> None:
    other = {name: value for name, value in data.items() if name not in ("title", "message", "type", "created_at")}
    reference = other.pop("notification_id", None)
    send(
        [user],
        data["title"],
        data["message"],
        tenant=tenant,
        type=data.get("type") or "notification",
        data=other,
        reference=str(reference) if reference is not None else None,
        connection=connection,
    )
