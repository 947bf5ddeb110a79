"""Every reason for which a delivery does not go out, without a database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from models.deliveries.gate import Candidate, gate
from models.deliveries.lifecycle import Failure, State
from models.retry import RetryPolicy
from tests.factories import NOW

POLICY = RetryPolicy(base=1, cap=60, max_attempts=3)

GOOD = Candidate(
    action="show",
    notification_state="expanded",
    numbered=False,
    handled=None,
    expires_at=NOW + timedelta(hours=1),
    attempts=1,
)


def test_a_good_delivery_passes():
    assert gate(GOOD, POLICY, NOW) is None


@pytest.mark.parametrize(
    ("other", "state", "failure", "reason"),
    [
        ({"notification_state": "recalling"}, State.CANCELLED, Failure.POLICY, "recalled"),
        ({"notification_state": "recalled"}, State.CANCELLED, Failure.POLICY, "recalled"),
        ({"handled": "read"}, State.CANCELLED, Failure.POLICY, "read"),
        ({"handled": "archived"}, State.CANCELLED, Failure.POLICY, "archived"),
        ({"expires_at": NOW}, State.EXPIRED, Failure.EXPIRED, "expired before it could be sent"),
        ({"address_trouble": "it was removed"}, State.SUPPRESSED, Failure.POLICY, "it was removed"),
        ({"attempts": 4}, State.DEAD, Failure.WORKER_LOST, "the worker was lost in attempt 3"),
    ],
)
def test_what_stops_a_delivery_is_named_and_spends_no_attempt(other, state, failure, reason):
    transition = gate(GOOD._replace(**other), POLICY, NOW)
    assert transition is not None
    assert (transition.state, transition.failure, transition.reason) == (state, failure, reason)
    assert transition.attempts == other.get("attempts", 1) - 1
    assert transition.due_at is None


@pytest.mark.parametrize(
    "other",
    [
        # A withdrawal has to go out however the notification stands.
        {"action": "withdraw", "notification_state": "recalling", "handled": "read"},
        # Clients wait for every number, whatever the user did with the item.
        {"numbered": True, "handled": "read"},
        {"attempts": 3},
    ],
)
def test_these_pass(other):
    assert gate(GOOD._replace(**other), POLICY, NOW) is None


def test_without_a_limit_no_number_of_attempts_is_too_many():
    assert gate(GOOD._replace(attempts=1000), RetryPolicy(base=1, cap=60, max_attempts=None), NOW) is None
