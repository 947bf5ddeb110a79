"""Wait for something that other threads or processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def eventually(check: Callable[[], Any], within: float = 15.0) -> Any:
    """Wait until `check` returns something true, and return it. AssertionError after `within` seconds."""
    end = time.monotonic() + within
    while True:
        result = check()
        if result:
            return result
        assert time.monotonic() < end, f"not within {within} s: {result!r}"
        # Checks that call the API stay within its rate limits.
        time.sleep(0.05)
