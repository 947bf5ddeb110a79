"""Delete what has expired or is past retention, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from sqlalchemy import Engine

from models.addresses.devices import purge_devices
from models.alerts.queries import purge_alerts
from models.audit import queries as audit
from models.deliveries import due as sweep
from models.deliveries import redrives
from models.events import log
from models.messages.changes import purge_versions
from models.outbox import queries as outbox
from models.sql.engine import write
from models.usage import queries as usage

# Rows in one transaction, so that a purge never holds locks for long.
BATCH = 1000

# Who did what is asked long after the notifications themselves are gone.
AUDIT_RETENTION = timedelta(days=365)

# A month can be compared with the same month of the year before.
USAGE_RETENTION = timedelta(days=400)


def purge(engine: Engine, clock: Callable[[], datetime], retention: timedelta) -> Iterator[int]:
    """Delete until nothing is left to delete; yields how many rows have gone with each round."""
    while True:
        now = clock()
        with write(engine) as connection:
            gone = log.purge(connection, now, now - retention, BATCH)
        with write(engine) as connection:
            gone += sweep.purge(connection, now, retention, BATCH)
        with write(engine) as connection:
            gone += purge_alerts(connection, now, retention, BATCH)
        with write(engine) as connection:
            gone += purge_devices(connection, now, BATCH)
        with write(engine) as connection:
            gone += purge_versions(connection, now, retention, BATCH)
        with write(engine) as connection:
            gone += outbox.purge(connection, now, retention, BATCH)
        with write(engine) as connection:
            gone += redrives.purge(connection, now, retention, BATCH)
            gone += audit.purge(connection, now, max(retention, AUDIT_RETENTION), BATCH)
            gone += usage.purge(connection, now, USAGE_RETENTION, BATCH)
        if not gone:
            return
        yield gone
