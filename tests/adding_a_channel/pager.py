"""The one file of a new channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from config.settings import Settings
from models.deliveries.lifecycle import Outcome, Sent
from models.deliveries.message import Message

# What pagers have shown: (address, action, title).
SHOWN: list[tuple[str, str, str]] = []


class Pager:
    name = "pager"

    def send(self, batch: Sequence[Message], deadline: float) -> list[Outcome]:
        SHOWN.extend((message.address, message.action.value, message.content.title) for message in batch)
        return [Sent() for _ in batch]

    def check(self) -> str | None:
        return None

    def close(self) -> None:
        pass


def build(settings: Settings, mode: str, now: Callable[[], datetime]) -> Pager:
    return Pager()
