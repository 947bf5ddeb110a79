"""Wake up when a service has committed a row: LISTEN on PostgreSQL."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from sqlalchemy import Engine

from models.sql.engine import BoundedConnection

log = logging.getLogger(__name__)

# The name in the trigger of migration 0002.
TOPIC = "carillon_outbox"

# Seconds between two looks at `stop`, and before a lost connection is tried again.
_LOOK = 1.0
_RECONNECT = 5.0

# Nothing is sent while we listen. With these, a connection whose other end is gone is noticed within half a minute; the
# kernel's own would take two hours.
_KEEPALIVES: dict[str, Any] = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


def listen(engine: Engine, inserted: Callable[[], object], stop: threading.Event) -> None:
    """Call `inserted` after every commit that put rows into the outbox, until `stop` is set.

    Returns at once on SQLite, which has no LISTEN. While the connection is lost nothing is reported: the relay looks
    every second anyway. A connection pooler in transaction mode reports nothing either.
    """
    if engine.dialect.name != "postgresql":
        return
    _, options = engine.dialect.create_connect_args(engine.url)
    while not stop.is_set():
        try:
            with BoundedConnection.connect(**options, **_KEEPALIVES, autocommit=True, connect_timeout=5) as connection:
                connection.brief = True
                connection.execute(f"LISTEN {TOPIC}")
                # What was committed before LISTEN took effect.
                inserted()
                while not stop.is_set():
                    # Several at once are one: an insert says "look".
                    if list(connection.notifies(timeout=_LOOK, stop_after=1)):
                        inserted()
        except psycopg.Error as error:
            log.warning("not listening to the outbox", extra={"error": type(error).__name__})
            stop.wait(_RECONNECT)
