"""What every channel is: a batch of messages in, one outcome per message out."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

from models.deliveries.lifecycle import Outcome
from models.notifications.content import Content


class Action(StrEnum):
    """What a message asks of the screen it reaches."""

    SHOW = "show"
    WITHDRAW = "withdraw"


# A tuple, of which there is one for every recipient: a frozen dataclass takes more than twice as long to make.
class Message(NamedTuple):
    """One delivery, ready to send.

    `address` is a device token, a mailbox, or the user's room; a secret, never to be logged. `address_kind` tells
    tokens of one channel apart (`token` or `fid` for push). `attempt` counts from 1. `seq` is the event's number in the
    user's room, for the in-app channel.
    """

    delivery_id: int
    attempt: int
    action: Action
    content: Content
    user: str
    address: str
    address_kind: str = ""
    locale: str | None = None
    seq: int | None = None


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
