"""One at a time in a process, and nobody who came meanwhile is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable


class SingleFlight:
    """Work that one thread does for all: a bell that comes while it works makes it look again.

    Without it every bell of a burst would occupy a thread, all waiting for the same window.
    """

    def __init__(self) -> None:
        self._working = threading.Lock()
        self._called = threading.Event()

    @property
    def taken(self) -> bool:
        """Whether a thread is at work."""
        return self._working.locked()

    def take(self, work: Callable[[], bool]) -> bool:
        """Do the work until nobody has called, unless another thread is at it. False as soon as `work` says so."""
        self._called.set()
        # Asked again after each release: who calls just before it finds the door shut and goes away.
        while self._called.is_set() and self._working.acquire(blocking=False):
            try:
                if not work():
                    return False
            finally:
                self._working.release()
        return True

    def listen(self) -> None:
        """Who calls from now on is heard by `wait`."""
        self._called.clear()

    def wait(self, seconds: float) -> bool:
        """Wait until somebody calls, at most so long. Whether somebody did."""
        return self._called.wait(seconds)
