"""The states of a delivery and how an outcome moves it. Pure: no clock, no database, no randomness of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from models.retry import RetryPolicy


class State(StrEnum):
    """Where a delivery stands. `pending` and `sending` are open; all others are settled."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    ACKED = "acked"
    DEAD = "dead"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    CANCELLED = "cancelled"


OPEN = frozenset({State.PENDING, State.SENDING})


class Failure(StrEnum):
    """Why a delivery did not arrive: the class operators filter and redrive by."""

    ADDRESS_GONE = "address_gone"
    BAD_REQUEST = "bad_request"
    CREDENTIALS = "credentials"
    QUOTA = "quota"
    PROVIDER_DOWN = "provider_down"
    WORKER_LOST = "worker_lost"
    POLICY = "policy"
    EXPIRED = "expired"
    UNCLASSIFIED = "unclassified"


# An outage says nothing about the message that met it. It spends no attempt, and the delivery ends by expiry (ADR 30).
OUTAGE = frozenset({Failure.CREDENTIALS, Failure.QUOTA, Failure.PROVIDER_DOWN})

# The provider has said no, so the message is on no device.
REFUSALS = frozenset({Failure.ADDRESS_GONE, Failure.BAD_REQUEST, Failure.CREDENTIALS, Failure.QUOTA})

# An answer that never came may have been yes.
UNCERTAIN = frozenset({Failure.PROVIDER_DOWN, Failure.WORKER_LOST, Failure.UNCLASSIFIED})


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider accepted the message. `provider_id` is its name for it, where it gives one."""

    provider_id: str | None = None


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The send failed and may succeed later. `after` is a floor in seconds: the provider's Retry-After.

    A failure of `OUTAGE` spends no attempt. `for_all`: every other message of the channel would fail in the same way.
    """

    reason: str
    failure: Failure = Failure.PROVIDER_DOWN
    after: float | None = None
    for_all: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """This message will never be accepted at this address; the address itself is fine."""

    reason: str
    failure: Failure = Failure.BAD_REQUEST


@dataclass(frozen=True, slots=True)
class AddressGone:
    """The address does not exist any more and must not be used again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Deferred:
    """The channel did not try. The delivery is due again in `after` seconds; no attempt is spent or recorded."""

    after: float


Outcome = Sent | RetryLater | Rejected | AddressGone | Deferred


@dataclass(frozen=True, slots=True)
class Transition:
    """What to write for one delivery. `due_at` is None exactly when the new state is settled.

    `attempts` are those that count against the channel's limit. `number` is the number of the attempt that ended, from
    1 and with those that do not count.
    """

    state: State
    attempts: int
    due_at: datetime | None = None
    failure: Failure | None = None
    reason: str | None = None
    provider_id: str | None = None
    disable_address: bool = False
    number: int = 1


def next_transition(
    outcome: Outcome,
    *,
    attempts: int,
    failed: int,
    policy: RetryPolicy,
    now: datetime,
    expires_at: datetime,
    rng: Callable[[], float],
) -> Transition:
    """The transition of a delivery in `sending` whose attempt ended in `outcome`.

    `attempts` are those that count, this one included. `failed` is the number of attempts that failed before, with
    those that do not count: it makes the back-off grow.
    """
    number = failed + 1
    # Compared before it is added: a provider can ask for more seconds than a date can hold.
    left = (expires_at - now).total_seconds()
    match outcome:
        case Sent(provider_id):
            return Transition(State.SENT, attempts, provider_id=provider_id)
        case Rejected(reason, failure):
            return Transition(State.DEAD, attempts, failure=failure, reason=reason, number=number)
        case AddressGone(reason):
            return Transition(
                State.DEAD,
                attempts,
                failure=Failure.ADDRESS_GONE,
                reason=reason,
                disable_address=True,
                number=number,
            )
        case Deferred(seconds):
            if seconds >= left:
                return Transition(
                    State.EXPIRED, attempts - 1, failure=Failure.EXPIRED, reason="would expire before its turn"
                )
            return Transition(State.PENDING, attempts - 1, now + timedelta(seconds=seconds))
        case RetryLater(reason, failure, floor, _):
            if failure in OUTAGE:
                attempts -= 1
            elif policy.exhausted(attempts):
                return Transition(
                    State.DEAD,
                    attempts,
                    failure=failure,
                    reason=f"gave up after {attempts} attempts: {reason}",
                    number=number,
                )
            delay = policy.delay(number, floor, rng)
            if delay >= left:
                return Transition(
                    State.EXPIRED,
                    attempts,
                    failure=failure,
                    reason=f"would expire before the next attempt: {reason}",
                    number=number,
                )
            due_at = now + timedelta(seconds=delay)
            return Transition(State.PENDING, attempts, due_at, failure, reason, number=number)
        case _ as unreachable:
            assert_never(unreachable)
