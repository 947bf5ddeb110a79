"""The secret with which the processes of an installation sign what they publish to each other."""

from __future__ import annotations

import secrets

from sqlalchemy import Connection, Engine, select

from models.events.tables import meta
from models.sql.engine import read, write
from models.sql.statements import insert_ignore

_NAME = "bus_key"


def bus_key(engine: Engine) -> bytes:
    """Return the secret, 32 random bytes. The first process that asks makes it."""
    with read(engine) as connection:
        found = _stored(connection)
    if found is None:
        with write(engine) as connection:
            made = secrets.token_hex(32)
            connection.execute(insert_ignore(connection, meta).values(name=_NAME, value=made))
            # Another process may have been first.
            found = _stored(connection)
    return bytes.fromhex(str(found))


def _stored(connection: Connection) -> str | None:
    return connection.scalar(select(meta.c.value).where(meta.c.name == _NAME))
