"""What every channel is: a batch of messages in, one outcome per message out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

from models.deliveries.lifecycle import Outcome
from models.deliveries.message import Message


class Channel(Protocol):
    """A way of reaching a person."""

    name: str

    def send(self, batch: Sequence[Message], deadline: float = math.inf) -> Sequence[Outcome]:
        """Send every message of the batch once; outcomes in the same order, one for each.

        Raises only for bugs. Every call to the outside is bounded by the provider time-out of the settings, and there
        is no retry inside: the ledger retries. `deadline` (by `time.monotonic()`) is the end of the claim: afterwards
        others may send the same messages. What could last beyond it, or had better wait, is `Deferred`. A message with
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
