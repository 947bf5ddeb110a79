"""A channel and a publisher that do as they are told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bus.envelope import Group
from models.deliveries.lifecycle import Outcome, Sent
from models.deliveries.message import Message


class ScriptedChannel:
    """Answers from `script`, then `Sent()`; raises `error` once if one is set; calls `before` with each batch."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.script: list[Outcome] = []
        self.sent: list[Message] = []
        self.deadlines: list[float] = []
        self.error: Exception | None = None
        self.before: Callable[[Sequence[Message]], None] = lambda _: None

    def send(self, batch: Sequence[Message], deadline: float) -> Sequence[Outcome]:
        self.before(batch)
        self.deadlines.append(deadline)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.sent += batch
        return [self.script.pop(0) if self.script else Sent() for _ in batch]

    def close(self) -> None:
        pass


class ScriptedPublisher:
    """Keeps what it is given; raises `error` as long as one is set."""

    def __init__(self) -> None:
        self.messages: list[list[Group]] = []
        self.error: Exception | None = None

    def publish(self, groups: Sequence[Group]) -> int:
        if self.error is not None:
            raise self.error
        self.messages.append(list(groups))
        return 1

    def heard(self) -> list[tuple[str, str, int]]:
        """(room, event, seq) of all that was published, in order."""
        return [(room, g.event, seq) for groups in self.messages for g in groups for room, seq in g.rooms]

    def close(self) -> None:
        pass
