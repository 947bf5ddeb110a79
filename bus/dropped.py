"""Counts dropped items and logs a warning at most once a minute, so that their sender cannot fill the log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

# Seconds between two warnings.
WARN_EVERY = 60.0


class Dropped:
    """Counts what was dropped, and warns of it at most once in WARN_EVERY."""

    def __init__(self, log: logging.Logger, message: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._message = message
        self._clock = clock
        self._count = 0
        self._warned_at = float("-inf")

    def add(self, **fields: object) -> None:
        """Count one. `fields` describe the last one in the log; they must be short."""
        self._count += 1
        now = self._clock()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            self._log.warning(self._message, extra={"dropped": self._count, **fields})
