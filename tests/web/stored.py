"""The rows of each tenant and user, and what was published for them: what strangers must not change or cause."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from sqlalchemy import Engine, Select, Table, select

from bus.envelope import BATCH
from models.conversations.tables import conversations
from models.deliveries.tables import deliveries
from models.events.tables import meta
from models.rooms.tables import rooms
from models.schema import metadata
from models.sql.engine import read
from models.users.tables import users

# Usage, and the last use of a key, are written beside the requests, whenever the threads get to it.
TABLES = [table for table in metadata.sorted_tables if table.name != "usage"]
# A counter that all tenants share.
_COUNTER = meta.c.name == "mark"


def _rows(table: Table) -> Select[Any]:
    rows = select(*[column for column in table.c if column.name != "last_used_at"]).order_by(*table.primary_key)
    return rows.where(~_COUNTER) if table is meta else rows


def everything(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, but for usage."""
    with read(engine) as connection:
        return {table.name: [tuple(row) for row in connection.execute(_rows(table))] for table in TABLES}


def foreign(engine: Engine, tenant: str, user: str | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """All rows but those of this tenant, or of this user of it. A conversation is that of who has begun it."""
    with read(engine) as connection:
        people = {row.id: (row.tenant_id, row.external_id) for row in connection.execute(select(users))}
        places = {row.id: (row.tenant_id, row.user_id) for row in connection.execute(select(rooms))}
        begun = dict(connection.execute(select(conversations.c.room_id, conversations.c.created_by)).all())
        sent = {row.id: row.user_id for row in connection.execute(select(deliveries.c.id, deliveries.c.user_id))}

    def owner(table: str, row: Any) -> tuple[str | None, str | None]:
        """(tenant, user) of a row; what is a tenant's as a whole is of no user."""
        fields = row._mapping
        if table == "tenants":
            return fields["id"], None
        if table == "users":
            return people[fields["id"]]
        user_id = fields.get("user_id")
        if "delivery_id" in fields:
            user_id = sent[fields["delivery_id"]]
        if user_id is not None:
            return people[user_id]
        room = fields.get("room_id") or (fields["id"] if table == "rooms" else None)
        if begun.get(room) is not None:
            return people[begun[room]]
        if "room_id" in fields:
            room_tenant, room_user = places[fields["room_id"]]
            return people[room_user] if room_user else (room_tenant, None)
        return fields.get("tenant_id"), None

    def own(table: str, row: Any) -> bool:
        of_tenant, of_user = owner(table, row)
        return of_tenant == tenant and (user is None or of_user == user)

    with read(engine) as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(_rows(table)) if not own(table.name, row)]
            for table in TABLES
        }


class Published:
    """What passes through the message queue."""

    def __init__(self, listener: Any) -> None:
        self._listener = listener

    def rooms(self) -> list[tuple[str, str]]:
        """(event, room as the Socket.IO server knows it) of all that came since the last time."""
        found, quiet_at = [], time.monotonic() + 0.3
        while time.monotonic() < quiet_at:
            message = self._listener.get_message(timeout=0.1)
            if message is None or message["type"] != "message":
                continue
            said = json.loads(message["data"])
            if said.get("event") == BATCH:
                found += [
                    (group["event"], room) for groups in said["data"] for group in groups for room, _ in group["rooms"]
                ]
            elif said.get("method") == "emit":
                found.append((said["event"], str(said["room"])))
        return found


@contextmanager
def subscribed(redis_url: str, channel: str) -> Iterator[Published]:
    """Listen to the message queue."""
    with redis.Redis.from_url(redis_url) as client, client.pubsub() as listener:
        listener.subscribe(channel)
        assert listener.get_message(timeout=5)["type"] == "subscribe"
        yield Published(listener)
