"""Take in what services have put into the outbox."""

from __future__ import annotations

import time

from actions.take_in import take_in
from workers.runtime import Runtime

# As in workers/deliver.py.
BUDGET = 10.0


def intake(run: Runtime, budget: float = BUDGET) -> bool:
    """Take in due rows until there are none. False if the budget (seconds) ran out first."""
    if run.installation is None:
        raise RuntimeError("this runtime has no installation")
    end = time.monotonic() + budget
    while take_in(run.installation, run.rng):
        if time.monotonic() > end:
            return False
    return True
