"""Counters, gauges and durations for the console: kept in memory, added up in Redis every second, in steps of 5 s.

Nothing depends on them. Counts made while Redis is unavailable are lost, and no caller waits for Redis.
"""

from __future__ import annotations

import math
import os
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from bus.redis import UNAVAILABLE, connect

# Seconds.
STEP = 5
KEPT = 2 * 3600
_FLUSH = 1.0
# A process that has not reported for this long (seconds) is gone.
_SILENT = 10.0
# After a pause, a batch finds out whether the channel works again, which takes no longer than this (seconds).
_FINDING_OUT = 60.0

# Durations are counted in classes, each a quarter longer than the one before: 1 ms to a minute in fifty. A longer one
# means that the user had been away and says nothing about our speed: it is counted as `late`.
_GROWTH = 1.25
_SHORTEST = 0.001
_LATE = 60.0
LATE = "late"
_CLASSES = math.ceil(math.log(_LATE / _SHORTEST, _GROWTH))


class Pause(NamedTuple):
    """Why a channel is paused, as a class of failure, and until when (Unix time)."""

    failure: str
    until: float


@dataclass(slots=True)
class Tally:
    """What was counted in a step, or in several that were added up."""

    counts: Counter[str] = field(default_factory=Counter)
    times: Counter[int] = field(default_factory=Counter)
    levels: dict[str, float] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Add what another one has counted."""
        self.counts.update(other.counts)
        self.times.update(other.times)
        for name, level in other.levels.items():
            self.levels[name] = max(level, self.levels.get(name, level))

    def quantile(self, share: float) -> float | None:
        """The time in seconds within which that share of the times lies, at most a quarter too long. None: no times."""
        total = sum(self.times.values())
        seen = 0
        for class_ in sorted(self.times):
            seen += self.times[class_]
            if seen >= share * total:
                return _SHORTEST * _GROWTH**class_
        return None


class Counters:
    """The counters of one process. Connects, and starts its thread, at `start` or at the first thing it counts.

    `connections` returns the number of open connections; it makes the process one of `web_processes`.
    """

    def __init__(
        self,
        redis_url: str,
        topic: str,
        connections: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = connect(redis_url, text=True)
        self._prefix = f"{topic}:rates:"
        self._connections = connections
        self._clock = clock
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._counted: Counter[tuple[int, str]] = Counter()
        self._levels: dict[tuple[int, str], float] = {}
        self._totals: Counter[str] = Counter()
        self._beats: dict[str, float] = {}
        self._pauses: dict[str, Pause | None] = {}
        self._thread: threading.Thread | None = None
        self._end = threading.Event()

    def increment(self, name: str, number: int = 1) -> None:
        """Increment a counter."""
        with self._lock:
            self._counted[self._step(), name] += number
            self._start()

    def gauge(self, name: str, value: float) -> None:
        """Set a gauge; the last value in a step wins."""
        with self._lock:
            self._levels[self._step(), f"level:{name}"] = value
            self._start()

    def observe(self, seconds: float) -> None:
        """Record a duration."""
        if seconds > _LATE:
            self.increment(LATE)
        else:
            class_ = math.ceil(math.log(max(seconds, _SHORTEST) / _SHORTEST, _GROWTH))
            self.increment(f"took:{class_}")

    def start(self) -> None:
        """Report from now on, although nothing was counted yet."""
        with self._lock:
            self._start()

    def add_total(self, name: str, number: int = 1) -> None:
        """Increment a total, which is kept until Redis is wiped."""
        with self._lock:
            self._totals[name] += number
            self._start()

    def totals(self) -> dict[str, int]:
        """The totals of all processes. Raises bus.redis.UNAVAILABLE."""
        found: Any = self._redis.hgetall(f"{self._prefix}totals")
        return {name: number for name, text in found.items() if (number := _whole(text)) is not None}

    def beat(self, name: str) -> None:
        """Note that a process of this name is at work now."""
        with self._lock:
            self._beats[name] = self._clock()
            self._start()

    def silent_for(self, name: str) -> float | None:
        """Seconds since the last beat of that name. None: there was none. Raises bus.redis.UNAVAILABLE."""
        at: Any = self._redis.hget(f"{self._prefix}beats", name)
        seconds = _finite(at)
        return None if seconds is None else max(self._clock() - seconds, 0.0)

    def pause(self, channel: str, pause: Pause | None) -> None:
        """Note that this process has paused a channel, or with None that it has resumed it."""
        with self._lock:
            self._pauses[channel] = pause
            self._start()

    def paused(self) -> dict[str, Pause]:
        """The channels that a process has paused. Raises bus.redis.UNAVAILABLE."""
        found: Any = self._redis.hgetall(f"{self._prefix}paused")
        pauses = {}
        for channel, noted in found.items():
            failure, until = noted.split()
            pauses[channel] = Pause(failure, float(until))
        # The process may have ended, or had nothing to send since.
        return {name: pause for name, pause in pauses.items() if pause.until + _FINDING_OUT > self._clock()}

    def flush(self) -> None:
        """Add what was counted since the last flush to Redis. If that fails, it is lost."""
        # One at a time: when this returns, everything counted before is in Redis.
        with self._flushing:
            self._flush()

    def close(self) -> None:
        """Flush once more, and release the connections."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(_FLUSH)
            self.flush()
        self._redis.close()

    def history(self, seconds: int) -> list[tuple[int, Tally]]:
        """Return the complete steps of the last `seconds`, as (Unix time of the start, counts).

        Raises bus.redis.UNAVAILABLE.
        """
        # Not all processes have reported a step that has just ended.
        last = self._step(self._clock() - 2 * _FLUSH) - STEP
        steps = range(last - seconds // STEP * STEP + STEP, last + STEP, STEP)
        with self._redis.pipeline(transaction=False) as pipeline:
            for step in steps:
                pipeline.hgetall(self._key(step))
            found = cast(Sequence[Mapping[str, str]], pipeline.execute())
        return [(step, _tally(counts)) for step, counts in zip(steps, found, strict=True)]

    def web_processes(self) -> dict[str, int]:
        """The web processes that have reported lately, with their open connections. Raises bus.redis.UNAVAILABLE."""
        reports: Any = self._redis.hgetall(f"{self._prefix}web")
        alive: dict[str, int] = {}
        silent: list[str] = []
        for name, report in reports.items():
            at, _, connections = report.partition(" ")
            reported, number = _finite(at), _whole(connections)
            if reported is not None and number is not None and self._clock() - reported < _SILENT:
                alive[name] = number
            else:
                silent.append(name)
        if silent:
            self._redis.hdel(f"{self._prefix}web", *silent)
        return alive

    def _flush(self) -> None:
        with self._lock:
            counted, self._counted = self._counted, Counter()
            levels, self._levels = self._levels, {}
            totals, self._totals = self._totals, Counter()
            beats, self._beats = self._beats, {}
            pauses, self._pauses = self._pauses, {}
        with self._redis.pipeline(transaction=False) as pipeline:
            for (step, name), number in counted.items():
                pipeline.hincrby(self._key(step), name, number)
            for (step, name), value in levels.items():
                pipeline.hset(self._key(step), name, str(value))
            for step in {step for step, _ in (*counted, *levels)}:
                pipeline.expire(self._key(step), KEPT)
            for name, number in totals.items():
                pipeline.hincrby(f"{self._prefix}totals", name, number)
            for name, at in beats.items():
                pipeline.hset(f"{self._prefix}beats", name, str(at))
            for channel, pause in pauses.items():
                if pause is None:
                    pipeline.hdel(f"{self._prefix}paused", channel)
                else:
                    pipeline.hset(f"{self._prefix}paused", channel, f"{pause.failure} {pause.until}")
            if self._connections is not None:
                pipeline.hset(f"{self._prefix}web", self._name, f"{self._clock()} {self._connections()}")
                pipeline.expire(f"{self._prefix}web", KEPT)
            try:
                pipeline.execute()
            except UNAVAILABLE:
                return

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="rates", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(_FLUSH):
            self.flush()

    def _step(self, moment: float | None = None) -> int:
        return int((self._clock() if moment is None else moment) // STEP * STEP)

    def _key(self, step: int) -> str:
        return f"{self._prefix}{step}"


def _tally(found: Mapping[str, str]) -> Tally:
    tally = Tally()
    for name, text in found.items():
        kind, _, rest = name.partition(":")
        number = _whole(text)
        if kind == "level":
            if (level := _finite(text)) is not None:
                tally.levels[rest] = level
        elif number is None:
            continue
        elif kind != "took":
            tally.counts[name] += number
        elif (class_ := _whole(rest)) is not None and class_ <= _CLASSES:
            tally.times[class_] += number
    return tally


# Others may write to Redis: a value that is not understood counts as missing.


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def _finite(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
