"""Send dead letters again."""

from __future__ import annotations

from actions.installation import Installation
from models.channels import CHANNELS
from models.deliveries import dead_letters
from models.deliveries.dead_letters import DeadFilter
from models.sql.engine import write

# Dead letters in one transaction.
MAX_AT_ONCE = 1000


def redrive(installation: Installation, which: DeadFilter, limit: int = MAX_AT_ONCE) -> int:
    """Make up to `limit` dead letters pending again. Returns how many. One that has expired stays dead."""
    with write(installation.engine) as connection:
        number = dead_letters.redrive(connection, which, installation.now(), limit)
    if number:
        for channel in [which.channel] if which.channel else CHANNELS:
            installation.bells.deliver(channel)
    return number
