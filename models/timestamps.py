"""Moments as clients read them, and as ids contain them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID


def iso(moment: datetime) -> str:
    """UTC in ISO-8601, to the millisecond, as JavaScript's Date writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def first_id(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond (RFC 9562, 5.7)."""
    return UUID(int=max(int(moment.timestamp() * 1000), 0) << 80)
