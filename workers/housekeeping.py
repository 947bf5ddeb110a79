"""What is done now and then, so that no table only grows."""

from __future__ import annotations

import logging
from datetime import timedelta

from models import log as event_log
from models.db import write
from models.ledger import sweep
from models.ledger.alerts import purge_alerts
from models.ledger.devices import purge_devices
from workers.runtime import Runtime

log = logging.getLogger(__name__)

# Rows in one transaction, so that a purge never holds locks for long.
BATCH = 1000


def purge(run: Runtime) -> int:
    """Delete what has expired or is past retention, a batch at a time. Returns how many rows went."""
    retention = timedelta(days=run.retention_days)
    total = 0
    while True:
        now = run.now()
        with write(run.engine) as connection:
            gone = event_log.purge(connection, now, now - retention, BATCH)
        with write(run.engine) as connection:
            gone += sweep.purge(connection, now, retention, BATCH)
        with write(run.engine) as connection:
            gone += purge_alerts(connection, now, retention, BATCH)
        with write(run.engine) as connection:
            gone += purge_devices(connection, now, BATCH)
        total += gone
        if not gone:
            log.info("purged", extra={"rows": total})
            return total
