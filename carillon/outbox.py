"""The transactional outbox: a request to Carillon as one row, written in the transaction of the service.

    outbox = Outbox("acme")
    with engine.begin() as connection:
        ...  # the service's own work
        outbox.send(connection, audience={"users": ["alice"]}, title="New task", message="…")

For services that share Carillon's database. The server takes committed rows in within about a second; a transaction
that is rolled back leaves none. The table is documented in docs/services.md, so that any language can write to it.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from uuid_utils.compat import uuid7

from carillon.fields import IdempotencyKey, TenantId
from carillon.requests import Alert, Event, InboxChange, Notification, Recall
from carillon.sql import execute
from carillon.validation import checked, validated

TABLE = "carillon_outbox"


class Outbox:
    """Writes rows for one tenant.

    `connection` is whatever holds the service's transaction: an SQLAlchemy Connection, Session or scoped_session; a
    connection or cursor of a DB-API driver, such as psycopg, psycopg2 or sqlite3; or Django's `connection`. It has to
    be in a transaction that the service commits. Asyncio connections are not taken: SQLAlchemy's have `run_sync`.

    Every method validates first and raises ValidationError, a ValueError, before it touches the database. What only the
    server can know, such as whether an event type is in the catalogue, it checks when it takes the row in. A row that
    fails then is kept as rejected, with the reason (`Client.rejected`).
    """

    def __init__(self, tenant: str) -> None:
        self.tenant: str = checked("tenant", TenantId, tenant)

    def send(
        self,
        connection: Any,
        notification: Notification | None = None,
        *,
        idempotency_key: str | None = None,
        **fields: Any,
    ) -> str:
        """Send a notification, given as a Notification or by its fields. Returns its id.

        The transaction already makes it exactly one. An `idempotency_key` is for a service that repeats the whole
        transaction: a second row with the key and the same content sends nothing, one with other content is rejected.
        """
        return self._write(connection, "notification", validated(Notification, notification, fields), idempotency_key)

    def raise_alert(
        self, connection: Any, alert: Alert | None = None, *, idempotency_key: str | None = None, **fields: Any
    ) -> str:
        """Raise an alert, given as an Alert or by its fields. Returns its id. Keys are as for `send`."""
        return self._write(connection, "alert", validated(Alert, alert, fields), idempotency_key)

    def publish_event(self, connection: Any, event: Event | None = None, **fields: Any) -> str:
        """Publish an event of the catalogue, given as an Event or by its fields. Returns its id."""
        return self._write(connection, "event", validated(Event, event, fields), None)

    def recall(self, connection: Any, notification_id: str) -> str:
        """Take a notification back. Returns the id of the row."""
        return self._write(connection, "recall", validated(Recall, None, {"id": notification_id}), None)

    def change_inbox(
        self,
        connection: Any,
        user: str,
        change: Literal["read", "delete", "read_all"],
        notification: str | int | None = None,
    ) -> str:
        """Mark a user's notification as read, or delete it, or mark all as read. Returns the id of the row.

        `notification` is its id, or the service's own.
        """
        body = {"user": user, "change": change, "notification": notification}
        return self._write(connection, "inbox", validated(InboxChange, None, body), None)

    def _write(self, connection: Any, kind: str, body: dict[str, Any], idempotency_key: str | None) -> str:
        if idempotency_key is not None:
            checked("idempotency_key", IdempotencyKey, idempotency_key)
        row_id = uuid7()
        execute(
            connection,
            TABLE,
            {
                # PostgreSQL reads this form too.
                "id": row_id.hex,
                "tenant_id": self.tenant,
                "kind": kind,
                "body": json.dumps(body, separators=(",", ":")),
                "idempotency_key": idempotency_key,
            },
        )
        return str(row_id)
