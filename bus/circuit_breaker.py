"""A circuit breaker: after a failure, calls are refused for a while; then one caller tries for all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Closed, open for `seconds` after a failure, then half-open. Usable from any number of threads.

    Ask `allows` before the call, and report `succeeded` or `failed` after it. Half-open, exactly one caller in
    `seconds` is allowed to try; the breaker closes when that one succeeds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        # When the next caller may try; None while the breaker is closed.
        self._open_until: float | None = None

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
            self._open_until = now + self._seconds
            return True

    def succeeded(self) -> None:
        """The call succeeded: close."""
        if self._open_until is not None:
            with self._lock:
                self._open_until = None

    def failed(self) -> bool:
        """The call failed: open. Returns whether the breaker was closed before, so that one opening is logged once."""
        with self._lock:
            was_closed = self._open_until is None
            self._open_until = self._clock() + self._seconds
            return was_closed
