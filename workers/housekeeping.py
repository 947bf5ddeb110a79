"""What is done now and then, so that no table only grows."""

from __future__ import annotations

import logging
from datetime import timedelta

from actions.attachments import sweep
from models import retention
from storage.base import StorageUnavailable
from workers.runtime import Runtime

log = logging.getLogger(__name__)


def purge(run: Runtime) -> int:
    """Delete what has expired or is past retention, and files that nobody needs. Returns how many rows went."""
    total = sum(retention.purge(run.engine, run.now, timedelta(days=run.retention_days)))
    log.info("purged", extra={"rows": total})
    if run.installation is not None:
        try:
            log.info("files deleted", extra={"files": sweep(run.installation)})
        except StorageUnavailable as error:
            log.warning("files wait to be deleted", extra={"error": str(error)})
    return total
