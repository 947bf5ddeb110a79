"""A circuit breaker: after a failure, calls are refused for a while; then one caller tries for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Closed, open for `seconds` after a failure, then half-open. Usable from any number of threads.

    Ask `allows` before the call, and report `succeeded` or `failed` after it. Half-open, exactly one caller in
    `patience` seconds (by default as many as it was open) is allowed to try; the breaker closes when that one succeeds.
    Each try that fails doubles the time for which it is open, up to `longest`; by default it stays the same.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        longest: float | None = None,
        patience: float | None = None,
    ) -> None:
        self._seconds = seconds
        self._longest = longest or seconds
        self._patience = patience or seconds
        self._clock = clock
        self._lock = threading.Lock()
        # When the next caller may try; None while the breaker is closed.
        self._open_until: float | None = None
        self._length = seconds
        self._trying = False

    @property
    def closed(self) -> bool:
        """Whether the last call that was reported succeeded."""
        return self._open_until is None

    @property
    def seconds_left(self) -> float:
        """For how long no caller may try; 0 if one may."""
        until = self._open_until
        return 0.0 if until is None else max(until - self._clock(), 0.0)

    def allows(self) -> bool:
        """Whether to make the call."""
        # Read without the lock: the usual case, and a stale answer costs one call.
        if self._open_until is None:
            return True
        with self._lock:
            if self._open_until is None:
                return True
            now = self._clock()
            if now < self._open_until:
                return False
            self._open_until = now + self._patience
            self._trying = True
            return True

    def succeeded(self) -> bool:
        """The call succeeded: close. Returns whether the breaker was open before."""
        if self._open_until is None:
            return False
        with self._lock:
            was_open = self._open_until is not None
            self._open_until, self._trying = None, False
            return was_open

    def failed(self, at_least: float = 0.0) -> bool:
        """The call failed: open, for `at_least` that many seconds.

        Returns whether the breaker was closed before, so that one opening is logged once.
        """
        with self._lock:
            open_until, trying = self._open_until, self._trying
            if open_until is None:
                self._length = self._seconds
            elif trying:
                self._length = min(2 * self._length, self._longest)
            until = self._clock() + max(self._length, at_least)
            # A call from before it opened is no try, and makes nothing shorter.
            self._open_until = until if open_until is None or trying else max(until, open_until)
            self._trying = False
            return open_until is None

    def release(self) -> None:
        """End a try that was not reported: nothing was called, and the next caller may try at once."""
        with self._lock:
            if self._trying:
                self._open_until, self._trying = self._clock(), False
