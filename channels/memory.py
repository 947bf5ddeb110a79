"""A channel that sends nowhere: it answers by a script and keeps what it was given. For tests and for developers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy

from channels.base import Message
from models.lifecycle import Outcome, Sent

Script = Iterable[Outcome | Exception] | Callable[[Message], Outcome]


class MemoryChannel:
    """Answers each message with the next outcome of `script`, or with what `script` says of it.

    A script that has come to its end goes on with Sent; an exception in it is raised, to play a bug. Any number of
    threads may send.
    """

    def __init__(self, name: str, script: Script = ()) -> None:
        self.name = name
        self.batches: list[list[Message]] = []
        self.closed = False
        self._answer = script if callable(script) else _next_of(iter(script))
        self._lock = threading.Lock()

    @property
    def messages(self) -> list[Message]:
        """Everything sent so far, in order."""
        with self._lock:
            return [message for batch in self.batches for message in batch]

    def send(self, batch: Sequence[Message]) -> list[Outcome]:
        """See Channel."""
        with self._lock:
            # Copies, so that a caller who changes what it sent does not change the evidence.
            self.batches.append(deepcopy(list(batch)))
            return [self._answer(message) for message in batch]

    def check(self) -> None:
        """See Channel. Nothing can be wrong."""

    def close(self) -> None:
        """See Channel."""
        self.closed = True


def _next_of(outcomes: Iterator[Outcome | Exception]) -> Callable[[Message], Outcome]:
    def answer(_: Message) -> Outcome:
        outcome = next(outcomes, Sent())
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return answer
