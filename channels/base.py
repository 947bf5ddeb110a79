"""What every channel is: a batch of messages in, one outcome per message out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from models.deliveries.lifecycle import Outcome
from models.deliveries.message import Message


class Channel(Protocol):
    """A way of reaching a person."""

    name: str

    def send(self, batch: Sequence[Message]) -> Sequence[Outcome]:
        """Send every message of the batch once; outcomes in the same order, one for each.

        Raises only for bugs. Every call to the outside is bounded by the provider time-out of the settings, and there
        is no retry inside: the ledger retries. What a channel had rather not send yet is `Held`. A message with
        `Action.WITHDRAW` takes back what an earlier one of the same notification showed; a channel that cannot do that
        answers `Sent()` without sending.
        """
        ...

    def check(self) -> str | None:
        """What would keep it from sending now, in one line without secrets, or None. Bounded like a send."""
        ...

    def close(self) -> None:
        """Release connections. The channel is not used afterwards."""
        ...
