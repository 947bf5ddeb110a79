"""Events by the hundred, in three statements: what models.events.log.append does for one at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, insert, select, update

from models.events.tables import events
from models.rooms.tables import rooms
from models.sql.engine import write


def append(
    engine: Engine,
    number: int = 1,
    room: str = "user:alice",
    *,
    tenant: str = "acme",
    data: dict[str, Any] | None = None,
    lifetime: float = 3600,
) -> list[int]:
    """Append so many events of the type stream:data; returns their numbers."""
    now = datetime.now(UTC)
    kind, _, key = room.partition(":")
    this = (rooms.c.tenant_id == tenant) & (rooms.c.kind == kind) & (rooms.c.key == key)
    with write(engine) as connection:
        connection.execute(update(rooms).where(this).values(head=rooms.c.head + number))
        row = connection.execute(select(rooms.c.id, rooms.c.head).where(this)).one()
        seqs = list(range(row.head - number + 1, row.head + 1))
        values = {
            "room_id": row.id,
            "type": "stream:data",
            "notification_id": None,
            "data": data or {},
            "created_at": now,
            "expires_at": now + timedelta(seconds=lifetime),
        }
        connection.execute(insert(events), [values | {"seq": seq} for seq in seqs])
    return seqs
