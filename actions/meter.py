"""What actions count, for the console."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from bus.counters import Counters


class Meter:
    """Counts into Redis. The web process counts for Prometheus as well (web/metrics.py)."""

    def __init__(self, counters: Counters) -> None:
        self.counters = counters

    def accepted(self, priority: str) -> None:  # noqa: ARG002 - Prometheus has a label for it
        """A notification was committed."""
        self.counters.increment("accepted")

    def acknowledged(self, ids: Sequence[UUID], now: datetime) -> None:
        """A client has acknowledged these notifications for the first time."""
        for notification_id in ids:
            self.shown_after(seconds_since(notification_id, now))

    def rejected(self, number: int) -> None:
        """Rows of the outbox could not be accepted."""
        self.counters.increment("rejected:outbox", number)

    def shown_after(self, seconds: float) -> None:
        """A notification was shown this long after it was accepted."""
        self.counters.increment("acked:in_app")
        self.counters.observe(seconds)


def seconds_since(notification_id: UUID, now: datetime) -> float:
    """The age of a notification. The first 48 bits of a UUIDv7 are milliseconds (RFC 9562, 5.7)."""
    return max(now.timestamp() - (notification_id.int >> 80) / 1000, 0.0)
