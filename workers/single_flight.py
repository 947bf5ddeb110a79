"""Single flight: one thread of a process does work that many ask for."""

from __future__ import annotations

import threading
from collections.abc import Callable


class SingleFlight:
    """Runs work on one thread at a time. A request that comes meanwhile makes the running thread look again.

    Without it every bell of a burst would occupy a thread, and all of them would wait for the same window.
    """

    def __init__(self) -> None:
        self._working = threading.Lock()
        self._requested = threading.Event()

    @property
    def running(self) -> bool:
        """Whether a thread runs work at this moment."""
        return self._working.locked()

    def run(self, work: Callable[[], bool]) -> bool:
        """Run `work` until no request is left, unless another thread does. False as soon as `work` returns False."""
        self._requested.set()
        # Checked again after each release: a request that came just before it found the lock taken and returned.
        while self._requested.is_set() and self._working.acquire(blocking=False):
            try:
                if not work():
                    return False
            finally:
                self._working.release()
        return True

    def accept_requests(self) -> None:
        """Called by `work` before it looks: requests from here on make it look again."""
        self._requested.clear()

    def wait(self, seconds: float) -> bool:
        """Called by `work`: wait for a request, at most for `seconds`. Returns whether there is one."""
        return self._requested.wait(seconds)
