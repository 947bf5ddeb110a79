"""A channel that does as it is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from channels.base import Message
from models.lifecycle import Outcome, Sent


class ScriptedChannel:
    """Answers from `script`, then `Sent()`; raises `error` once if one is set; calls `before` with each batch."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.script: list[Outcome] = []
        self.sent: list[Message] = []
        self.error: Exception | None = None
        self.before: Callable[[Sequence[Message]], None] = lambda _: None

    def send(self, batch: Sequence[Message]) -> Sequence[Outcome]:
        self.before(batch)
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.sent += batch
        return [self.script.pop(0) if self.script else Sent() for _ in batch]

    def close(self) -> None:
        pass
