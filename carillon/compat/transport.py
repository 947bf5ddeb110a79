"""Where the compatible functions send to: the outbox for a call with a connection, the HTTP API for one without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from carillon.client import Client
from carillon.outbox import Outbox
from carillon.problems import NotFound


@dataclass(frozen=True, slots=True)
class Configuration:
    """What `configure` was given."""

    client: Client | None
    tenant: str | None

    def http(self, tenant: str | None) -> Client:
        """Return the client for a call without a connection.

        Raises RuntimeError if there is none, ValueError for a tenant other than the configured one: a key is of one
        tenant, and the call would reach the wrong people.
        """
        if self.client is None:
            raise RuntimeError("for calls without a connection, call carillon.configure(url=…, key=…) first")
        if tenant is not None and tenant != self.tenant:
            raise ValueError(f"the configured key is not known to be of tenant {tenant!r}: pass connection=…")
        return self.client

    def outbox(self, tenant: str | None) -> Outbox:
        """Return the outbox of the tenant that a call names, or else of the configured one. Raises ValueError."""
        if not (tenant or self.tenant):
            raise ValueError("no tenant: name one in the call, or configure one")
        return Outbox(tenant or self.tenant or "")


_configuration = Configuration(None, None)


def configure(
    url: str | None = None, key: str | None = None, tenant: str | None = None, client: Client | None = None
) -> None:
    """Set what the functions of carillon.compat use, for the whole process.

    `url` and `key`, or a `client` of one's own, are for calls without a connection. `tenant` is whose outbox calls with
    a connection write to, and the tenant of the key. Opens no connection.
    """
    global _configuration
    if (url is None) != (key is None) or (url is not None and client is not None):
        raise ValueError("give url and key, or client, or neither")
    if url is not None and key is not None:
        client = Client(url, key)
    _configuration = Configuration(client, tenant)


def http(tenant: str | None = None) -> Client:
    """Return the configured client; see Configuration.http."""
    return _configuration.http(tenant)


def configured_tenant() -> str:
    """Return the configured tenant. Raises ValueError if there is none."""
    return _configuration.outbox(None).tenant


def send(
    users: Sequence[object] | None, *, tenant: str | None = None, connection: Any = None, **fields: Any
) -> dict[str, str]:
    """Send a notification to these users, or to the whole tenant if None; `fields` as in carillon.Notification.

    `notification_id` is the service's own id of it: clients of these systems have it as the id.
    """
    own = fields.pop("notification_id", None)
    if own is not None:
        fields["reference"] = str(own)
        fields["data"] = (fields.get("data") or {}) | {"notification_id": own}
    # Without duplicates: a user who is named twice would get it twice.
    audience = {"tenant": True} if users is None else {"users": list(dict.fromkeys(map(str, users)))}
    fields = _fields(fields) | {"audience": audience}
    if connection is not None:
        return _written(_configuration.outbox(tenant).send(connection, **fields), "notification_id")
    accepted = http(tenant).send(**fields)
    return {"id": accepted.id, "notification_id": accepted.id, "created_at": _iso(accepted.created_at)}


def raise_alert(*, tenant: str | None = None, connection: Any = None, **fields: Any) -> dict[str, str]:
    """Raise an alert for the whole tenant; `fields` as in carillon.Alert."""
    fields = _fields(fields)
    if connection is not None:
        return _written(_configuration.outbox(tenant).raise_alert(connection, **fields), "alert_id")
    alert = http(tenant).raise_alert(**fields)
    return {"id": alert.id, "alert_id": alert.id, "created_at": _iso(alert.created_at)}


def publish(
    users: Sequence[object] | None,
    type_: str,
    data: dict[str, Any],
    *,
    tenant: str | None = None,
    connection: Any = None,
) -> int:
    """Publish an event to these users, or to the whole tenant if None. Returns 1."""
    audience = {"tenant": True} if users is None else {"users": [str(user) for user in users]}
    if connection is not None:
        _configuration.outbox(tenant).publish_event(connection, audience=audience, type=type_, data=data)
    else:
        http(tenant).publish_event(audience=audience, type=type_, data=data)
    return 1


def change_inbox(
    user: object,
    change: Literal["read", "delete", "read_all"],
    notification: str | int | None,
    *,
    tenant: str | None = None,
    connection: Any = None,
) -> int:
    """Change a user's inbox. Returns 1; over HTTP 0 if the user has no such notification."""
    if connection is not None:
        _configuration.outbox(tenant).change_inbox(connection, str(user), change, notification)
        return 1
    client = http(tenant)
    try:
        if notification is None:
            client.read_all_for(str(user))
        elif change == "read":
            client.read_for(str(user), notification)
        else:
            client.delete_for(str(user), notification)
    except NotFound:
        return 0
    return 1


def _fields(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what is None, which means not given; a timedelta in seconds."""
    given = {name: value for name, value in fields.items() if value is not None}
    if isinstance(given.get("expires_in"), timedelta):
        given["expires_in"] = int(given["expires_in"].total_seconds())
    return given


def _written(row_id: str, alias: str) -> dict[str, str]:
    # A UUIDv7 begins with the milliseconds at which it was made.
    made = datetime.fromtimestamp((UUID(row_id).int >> 80) / 1000, UTC)
    return {"id": row_id, alias: row_id, "created_at": _iso(made)}


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
