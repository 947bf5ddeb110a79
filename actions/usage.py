"""Count what tenants use. Counts are added to the database every few seconds, so no request or batch waits for them."""

from __future__ import annotations

import atexit
import logging
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from models.sql.engine import write
from models.usage.queries import Measure, add

log = logging.getLogger(__name__)

# Seconds. A process that is killed loses the counts of this time.
INTERVAL = 5.0


class UsageCounts:
    """The counts of one process. Its thread starts with the first of them, and the rest is written at exit.

    While the database is unavailable, counts are kept.
    """

    def __init__(self, engine: Engine, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = now
        self._counted: Counter[Measure] = Counter()
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._end = threading.Event()

    def count(self, tenant: str, mode: str, measure: str, number: int = 1, channel: str = "") -> None:
        """Add to today's count (UTC)."""
        today = self._now().astimezone(UTC).date()
        with self._lock:
            self._counted[Measure(tenant, mode, today, channel, measure)] += number
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def flush(self) -> None:
        """Write what was counted since the last time."""
        with self._flushing:
            with self._lock:
                counted, self._counted = self._counted, Counter()
            if not counted:
                return
            try:
                with write(self._engine) as connection:
                    add(connection, counted)
            except SQLAlchemyError as error:
                log.warning("usage not written yet", extra={"error": type(error).__name__})
                with self._lock:
                    self._counted.update(counted)

    def close(self) -> None:
        """Write the rest, and end the thread."""
        atexit.unregister(self.close)
        self._end.set()
        self.flush()

    def _run(self) -> None:
        while not self._end.wait(INTERVAL):
            self.flush()
