"""A new epoch for the log when the database has gone back to an earlier state by itself (PostgreSQL).

A standby that was behind is promoted, or a backup is recovered to a point in time: the server begins a new timeline. Or
a dump is restored into another cluster, which has another identifier. Each time, numbers are assigned again that
clients have seen.
"""

from __future__ import annotations

from sqlalchemy import Engine, select, text, update

from models.events.log import new_epoch
from models.events.tables import meta
from models.sql.engine import read, write
from models.sql.statements import insert_ignore

_NAME = "timeline"

# Every role may ask. The name of the file that is being written begins with the timeline. pg_control_checkpoint() names
# a new one only after the first checkpoint. A server that still recovers answers with an error.
_PRESENT = text(
    "SELECT system_identifier || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) FROM pg_control_system()"
)


def follow_timeline(engine: Engine) -> bool:
    """Begin a new epoch if the database is on another timeline than when this was last called. Returns whether it did.

    The very first call only notes the timeline. SQLite has none. Raises sqlalchemy.exc.DBAPIError if the server does
    not say its timeline.
    """
    if engine.dialect.name == "sqlite":
        return False
    noted = select(meta.c.value).where(meta.c.name == _NAME)
    with read(engine) as connection:
        if connection.scalar(_PRESENT) == connection.scalar(noted):
            return False
    with write(engine) as connection:
        present = connection.scalar(_PRESENT)
        connection.execute(insert_ignore(connection, meta).values(name=_NAME, value=present))
        # Locked: one process begins the epoch.
        if connection.scalar(noted.with_for_update()) == present:
            return False
        connection.execute(update(meta).where(meta.c.name == _NAME).values(value=present))
        new_epoch(connection)
        return True
