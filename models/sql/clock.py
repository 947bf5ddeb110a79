"""The clock of the installation: the database's. There is one, however many machines there are."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

log = logging.getLogger(__name__)

# Seconds between two readings of the database's clock: for so long a process goes on by the old time after the clock
# was set. A reading is one more statement, on a connection that is taken for something else.
INTERVAL = 1.0

# A clock that differs by less (seconds) was not set: NTP corrects that much by going faster or slower.
_STEP = 1.0

_READ = "SELECT extract(epoch FROM clock_timestamp())::float8"


def utc_now() -> datetime:
    """The time of this machine. What is stored is by the clock of the installation."""
    return datetime.fromtimestamp(time.time(), UTC)


class Clock:
    """Tells the time of the database, on SQLite that of the machine. Usable from any number of threads.

    Between two readings time goes on by the monotonic clock. So a process is right on a machine whose clock is wrong,
    or is set. A clock that is set is logged, once by each process, with the seconds (below 0: back).
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._machine = _Offset("machine")
        self._database = _Offset("database")
        self._read_at = float("-inf")
        # When the installation's clock was last put forward, by the monotonic one, and by how many seconds.
        self._forward_at, self._forward_by = float("-inf"), 0.0
        self._reading = threading.Lock()
        if engine.dialect.name == "postgresql":
            event.listen(engine, "checkout", self._read)

    def __call__(self) -> datetime:
        """The time. Until the database was reached for the first time, this can raise models.sql.engine.UNAVAILABLE."""
        if self._engine.dialect.name == "sqlite":
            with self._reading:
                shown, step = self._look()
                self._note(step)
        else:
            while (seconds := self._database.seconds) is None:
                with self._engine.connect():
                    pass  # `_read` was called
            shown = time.monotonic() + seconds
        return datetime.fromtimestamp(shown, UTC)

    def for_leases(self, lease: float) -> datetime:
        """The time by which leases of `lease` seconds have ended, whose owners went by the clock as it was before.

        For a lease after the clock was put forward, that is the time without the step.
        """
        now = self()
        recent = time.monotonic() - self._forward_at < lease + 2 * INTERVAL
        return now - timedelta(seconds=self._forward_by) if recent else now

    def _look(self) -> tuple[float, float]:
        before = time.monotonic()
        shown = time.time()
        return shown, self._machine.follow(shown, before, time.monotonic())

    def _note(self, step: float) -> None:
        if step:
            self._forward_at, self._forward_by = time.monotonic(), max(step, 0.0)

    def _read(self, connection: Any, _record: object, _proxy: object) -> None:
        """Called by the pool for each connection that is taken, a psycopg.Connection."""
        known = self._database.seconds is not None
        if known and time.monotonic() - self._read_at < INTERVAL:
            return
        # The first reading is waited for: without it there is no time to tell.
        if not self._reading.acquire(blocking=not known):
            return
        try:
            self._look()
            # Without a transaction: that would be two statements more.
            connection.autocommit = connection.brief = True
            before = time.monotonic()
            shown = connection.execute(_READ).fetchone()[0]
            self._read_at = time.monotonic()
            self._note(self._database.follow(shown, before, self._read_at))
            connection.autocommit = connection.brief = False
        except psycopg.Error as error:
            raise OperationalError(_READ, None, error, hide_parameters=True) from error
        finally:
            self._reading.release()


class _Offset:
    """By how many `seconds` a clock is ahead of the monotonic one, as exactly as its readings say. None: not read."""

    def __init__(self, clock: str) -> None:
        self._clock = clock
        self.seconds: float | None = None

    def follow(self, shown: float, before: float, after: float) -> float:
        """Note what the clock has shown at a moment between the two, by the monotonic clock.

        Returns by how many seconds it was set since the last reading; 0 if it was not.
        """
        least, most = shown - after, shown - before
        known = (least + most) / 2 if self.seconds is None else self.seconds
        # A reading that took long says little, and one that agrees says nothing new: time does not jitter.
        self.seconds = min(max(known, least), most)
        step = self.seconds - known
        if abs(step) < _STEP:
            return 0.0
        log.warning("clock set", extra={"clock": self._clock, "seconds": round(step, 1)})
        return step
