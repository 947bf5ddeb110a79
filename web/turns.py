"""Which request is served first: small ones before large ones, and large ones of a tenant one after the other.

A process works on one request at a time, and changes only where it waits for the database or for Redis. Each time a
small request waits, a large one could take the process for tens of milliseconds.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from flask import request

from web.limits import BYTES

# Where files go in and out (web/files.py).
FILES = "/attachments/"

# Seconds that a large request lets small ones pass.
PATIENCE = 0.1


class Turns:
    """The requests that this process serves at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._small = 0
        self._large: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def begin_small(self) -> None:
        """A request begins that takes a moment. `end_small` must follow."""
        with self._lock:
            self._small += 1

    def end_small(self) -> None:
        """It has ended."""
        with self._lock:
            self._small -= 1

    @contextmanager
    def large(self, tenant: str) -> Iterator[None]:
        """Hold this during a request that takes long. Waits for the tenant's others and, a moment, for small ones."""
        with self._large[tenant]:
            end = time.monotonic() + PATIENCE
            while self._small and time.monotonic() < end:
                time.sleep(0.001)
            yield


def is_large() -> bool:
    """Whether the present request takes long, as far as its size says, or waits for a client that sends a file."""
    return (request.content_length or 0) >= BYTES or request.path.startswith(FILES)
