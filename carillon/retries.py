"""When a request is repeated, and after how long. Pure: the time and the random number are arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile("[0-9]{1,9}")

DEFAULT_RETRIES = 4
# Seconds.
DEFAULT_TOTAL = 60.0

# With these the server, or the proxy before it, has not carried the request out.
REFUSED = frozenset({429, 503})
# After these it is unknown: only a request that may be carried out twice is repeated.
UNKNOWN = frozenset({502, 504})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter, bounded by a number of repetitions and by a total time.

    `retries`: repetitions after the first attempt; 0 switches them off. `base` and `cap` bound one pause and `total`
    bounds everything, attempts and pauses; all in seconds.
    """

    retries: int = DEFAULT_RETRIES
    base: float = 0.25
    cap: float = 8.0
    total: float = DEFAULT_TOTAL

    def pause(self, attempts: int, elapsed: float, retry_after: float | None, fraction: float) -> float | None:
        """Return the seconds to wait after `attempts` attempts, or None to give up.

        `elapsed` is the time since the first attempt began. `retry_after` is what the server asked for, and is a lower
        bound. `fraction` is a random number from 0 to 1.
        """
        if attempts > self.retries:
            return None
        pause = fraction * min(self.cap, self.base * 2 ** (attempts - 1)) + (retry_after or 0.0)
        return pause if elapsed + pause < self.total else None


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, whether it has a number or a date. None: neither."""
    if value is None:
        return None
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds())
