"""Why a delivery must not go out now. Pure: no clock and no database."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from models.deliveries.lifecycle import Failure, State, Transition
from models.deliveries.message import Action
from models.notifications.state import WITHDRAWN
from models.retry import RetryPolicy


class Candidate(NamedTuple):
    """A delivery that was claimed, with what decides whether it goes out.

    `attempts` includes the one that the claim has counted. `failed`: the number of attempts whose failure was recorded,
    with those that do not count. `numbered`: the message carries an event of the user's log.
    `handled` is what the user did with the item in the inbox (`read`, `archived` or `deleted`), or None.
    `address_trouble` says why its address cannot be used, or is None.
    """

    action: str
    notification_state: str
    numbered: bool
    handled: str | None
    expires_at: datetime
    attempts: int
    failed: int = 0
    address_trouble: str | None = None


def gate(candidate: Candidate, policy: RetryPolicy, now: datetime) -> Transition | None:
    """How the delivery is settled without being sent, or None if it can go out. Spends no attempt."""
    unsent = candidate.attempts - 1

    def settle(state: State, failure: Failure, reason: str) -> Transition:
        return Transition(state, unsent, failure=failure, reason=reason, number=candidate.failed + 1)

    if candidate.action == Action.SHOW:
        if candidate.notification_state in WITHDRAWN:
            return settle(State.CANCELLED, Failure.POLICY, "recalled")
        # Reading, archiving or deleting has already cancelled what was in flight, and a redrive leaves such letters
        # dead; this is for one that was redriven at the same moment. A numbered event is sent anyway: clients wait for
        # every seq.
        if candidate.handled is not None and not candidate.numbered:
            return settle(State.CANCELLED, Failure.POLICY, candidate.handled)
    if candidate.expires_at <= now:
        return settle(State.EXPIRED, Failure.EXPIRED, "expired before it could be sent")
    if candidate.address_trouble is not None:
        return settle(State.SUPPRESSED, Failure.POLICY, candidate.address_trouble)
    # An attempt that ends is judged when it ends, so only lost attempts can carry a delivery past its limit.
    if policy.exhausted(unsent):
        return settle(State.DEAD, Failure.WORKER_LOST, f"the worker was lost in attempt {unsent}")
    return None
