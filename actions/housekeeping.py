"""Work of the operator on the installation as a whole: purge, and a new epoch of the log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from actions.audit import INSTALLATION, record
from actions.installation import Installation
from actions.principal import Principal
from models import retention
from models.events import log
from models.sql.engine import write


def purge(installation: Installation, caller: Principal, kept: timedelta | None = None) -> Iterator[int]:
    """Delete what has expired or is past retention, or older than `kept`. Yields the rows deleted by each round."""
    age = installation.retention if kept is None else min(kept, installation.retention)
    with write(installation.engine) as connection:
        record(connection, installation, caller, "purge", "deliveries", tenant=INSTALLATION, days=age.days)
    return retention.purge(installation.engine, installation.now, age)


def begin_epoch(installation: Installation, caller: Principal) -> str:
    """Begin a new epoch of the log, after a restore: every client then fetches its state again."""
    with write(installation.engine) as connection:
        record(connection, installation, caller, "log.new_epoch", "log", tenant=INSTALLATION)
        return log.new_epoch(connection)
