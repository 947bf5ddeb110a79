"""When to try again. Pure; the numbers of each channel stand in models/channels.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential back-off with full jitter ("Exponential Backoff And Jitter", AWS, 2015).

    `base` and `cap` are seconds. `max_attempts` counts only attempts that an outage did not stop (ADR 30); None means:
    until it is acknowledged or expires.
    """

    base: float
    cap: float
    max_attempts: int | None

    def exhausted(self, attempts: int) -> bool:
        """Whether `attempts` made so far are all there will be."""
        return self.max_attempts is not None and attempts >= self.max_attempts

    def delay(self, failed: int, floor: float | None, rng: Callable[[], float]) -> float:
        """Seconds until the next attempt after `failed` ones; `floor` is the provider's Retry-After.

        Jitter spreads *above* the floor, so that a thousand deliveries that were refused for "60 s" do not return in
        the same instant.
        """
        # 2**30 already exceeds every cap; the bound keeps the power from overflowing a float.
        ceiling = min(self.cap, self.base * 2.0 ** min(max(failed - 1, 0), 30))
        return (floor or 0.0) + ceiling * rng()
