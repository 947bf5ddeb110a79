"""Bells that are recorded and not sent."""

from __future__ import annotations

from bus.bells import Bells
from models.lanes import Lane


class RecordingBells(Bells):
    """Records each bell as (task, arguments). `reachable = False` makes it behave as without a broker."""

    def __init__(self) -> None:
        self.rung: list[tuple[str, list[str]]] = []
        self.reachable = True

    def ring(self, task: str, args: list[str], queue: str, lane: int = Lane.normal) -> bool:
        if self.reachable:
            self.rung.append((task, args))
        return self.reachable

    def close(self) -> None:
        """There is nothing to release."""

    def check(self) -> None:
        """There is no broker to write to."""

    def served_queues(self, seconds: float = 1.5) -> set[str]:
        return set()
