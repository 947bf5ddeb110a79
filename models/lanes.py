"""Delivery lanes: the order in which work of different priority is served."""

from __future__ import annotations

from enum import IntEnum


class Lane(IntEnum):
    """Delivery lanes by priority; a smaller number is served first."""

    critical = 0
    high = 1
    normal = 2
    low = 3
    bulk = 4
