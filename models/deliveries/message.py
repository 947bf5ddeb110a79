"""What is sent: one delivery as a channel gets it, and a batch of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from models.deliveries.lifecycle import Transition
from models.notifications.content import Content


class Action(StrEnum):
    """What a message asks of the screen it reaches."""

    SHOW = "show"
    WITHDRAW = "withdraw"


# A tuple, of which there is one for every recipient: a frozen dataclass takes more than twice as long to make.
class Message(NamedTuple):
    """One delivery.

    `address` is a device token, a mailbox, or the user's room. It is a secret and must never be logged. `address_kind`
    tells tokens of one channel apart (`token` or `fid` for push). `attempt` counts from 1 and includes this one, but
    no attempt that an outage stopped; `failed` is the number of all that failed before. `seq` is the event's number in
    the user's room, for channels whose address is the room. `address_id` is 0 where the address is no row of
    `addresses`.
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
    mode: str = "live"
    address_id: int = 0
    failed: int = 0


class Settled(NamedTuple):
    """What became of one delivery, and whose it is."""

    tenant: str
    mode: str
    transition: Transition


@dataclass(frozen=True, slots=True)
class Batch:
    """Deliveries of one channel that are sent together. `at` is when the batch was made.

    A claimed batch has a `lease`: results are recorded only as long as it holds. A page of an expansion writes its
    in-app deliveries as sent (ADR 18) and has none: only failures have to be recorded. `settled`: what became of
    deliveries that were due and were settled without sending (expired, recalled, address gone …).
    """

    messages: list[Message]
    at: datetime
    lease: UUID | None = None
    settled: Sequence[Settled] = ()
