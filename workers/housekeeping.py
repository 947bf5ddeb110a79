"""What is done now and then, so that no table only grows."""

from __future__ import annotations

import logging
from datetime import timedelta

from models import retention
from workers.runtime import Runtime

log = logging.getLogger(__name__)


def purge(run: Runtime) -> int:
    """Delete what has expired or is past retention. Returns how many rows went."""
    total = sum(retention.purge(run.engine, run.now, timedelta(days=run.retention_days)))
    log.info("purged", extra={"rows": total})
    return total
