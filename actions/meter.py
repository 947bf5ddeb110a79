"""What actions count, for the console and for the usage of tenants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from actions.usage import UsageCounts
from bus.counters import Counters
from models.channels import IN_APP
from models.usage.queries import NOTIFICATIONS


class Meter:
    """Counts into Redis and the usage of tenants. The web process counts for Prometheus as well (web/metrics.py)."""

    def __init__(self, counters: Counters, usage: UsageCounts) -> None:
        self.counters = counters
        self.usage = usage

    def accepted(self, tenant: str, mode: str, priority: str) -> None:  # noqa: ARG002 - Prometheus has a label for it
        """A notification was committed."""
        self.counters.increment("accepted")
        self.usage.count(tenant, mode, NOTIFICATIONS)

    def acknowledged(self, ids: Sequence[UUID], now: datetime) -> None:
        """A client has acknowledged these notifications for the first time."""
        for notification_id in ids:
            self.shown_after(seconds_since(notification_id, now))

    def rejected(self, number: int) -> None:
        """Rows of the outbox could not be accepted."""
        self.counters.increment("rejected:outbox", number)

    def shown_after(self, seconds: float) -> None:
        """A notification was shown this long after it was accepted."""
        self.counters.increment(f"acked:{IN_APP}")
        self.counters.observe(seconds)


def seconds_since(notification_id: UUID, now: datetime) -> float:
    """The age of a notification. The first 48 bits of a UUIDv7 are milliseconds (RFC 9562, 5.7)."""
    return max(now.timestamp() - (notification_id.int >> 80) / 1000, 0.0)
