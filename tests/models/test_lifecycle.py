"""Every outcome in every circumstance."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.deliveries.lifecycle import (
    OPEN,
    AddressGone,
    Deferred,
    Failure,
    Outcome,
    Rejected,
    RetryLater,
    Sent,
    State,
    next_transition,
)
from models.retry import RetryPolicy
from tests.factories import NOW

POLICY = RetryPolicy(base=10, cap=100, max_attempts=3)
LATER = NOW + timedelta(days=1)


def settle(
    outcome: Outcome,
    *,
    attempts: int = 1,
    failed: int = 0,
    policy: RetryPolicy = POLICY,
    expires_at=LATER,
    dice: float = 0.5,
):
    return next_transition(
        outcome,
        attempts=attempts,
        failed=failed,
        policy=policy,
        now=NOW,
        expires_at=expires_at,
        rng=lambda: dice,
    )


def test_sent_is_settled_and_keeps_the_providers_name():
    result = settle(Sent("projects/x/messages/1"))
    assert (result.state, result.due_at, result.provider_id) == (State.SENT, None, "projects/x/messages/1")


def test_rejected_is_dead_and_leaves_the_address():
    result = settle(Rejected("too large"))
    assert (result.state, result.failure, result.reason) == (State.DEAD, Failure.BAD_REQUEST, "too large")
    assert not result.disable_address


def test_a_gone_address_is_dead_and_is_to_be_disabled():
    result = settle(AddressGone("unregistered"))
    assert (result.state, result.failure, result.disable_address) == (State.DEAD, Failure.ADDRESS_GONE, True)


def test_a_retry_waits_for_the_policy():
    result = settle(RetryLater("busy"), failed=1)
    assert result.state is State.PENDING
    assert result.due_at == NOW + timedelta(seconds=10)
    assert result.number == 2


def test_retry_after_is_a_floor():
    result = settle(RetryLater("quota", Failure.QUOTA, after=60))
    assert result.due_at is not None
    assert result.due_at == NOW + timedelta(seconds=65)


def test_what_is_held_comes_back_when_it_was_told_and_its_attempt_with_it():
    result = settle(Deferred(2.5), attempts=3)
    assert (result.state, result.attempts, result.due_at) == (State.PENDING, 2, NOW + timedelta(seconds=2.5))
    assert (result.failure, result.reason) == (None, None)


def test_what_would_expire_before_its_turn_expires():
    assert settle(Deferred(60), expires_at=NOW + timedelta(seconds=60)).state is State.EXPIRED


def test_the_last_attempt_is_the_last():
    result = settle(RetryLater("a bug", Failure.UNCLASSIFIED), attempts=3, failed=40)
    assert (result.state, result.failure, result.due_at) == (State.DEAD, Failure.UNCLASSIFIED, None)
    assert "3 attempts" in (result.reason or "")
    assert result.number == 41


def test_without_a_limit_there_is_always_another_attempt():
    result = settle(RetryLater("redis away"), attempts=10_000, policy=RetryPolicy(1, 300, None))
    assert result.state is State.PENDING


def test_no_attempt_is_planned_past_expiry():
    result = settle(RetryLater("busy", after=3600), expires_at=NOW + timedelta(hours=1))
    assert (result.state, result.due_at) == (State.EXPIRED, None)


@pytest.mark.parametrize("failure", [Failure.CREDENTIALS, Failure.QUOTA, Failure.PROVIDER_DOWN])
def test_an_outage_spends_no_attempt_and_waits_longer_each_time(failure):
    result = settle(RetryLater("503", failure), attempts=3, failed=2)
    assert (result.state, result.attempts, result.number) == (State.PENDING, 2, 3)
    assert result.due_at == NOW + timedelta(seconds=20)
    again = settle(RetryLater("503", failure), attempts=3, failed=1000)
    assert (again.state, again.due_at) == (State.PENDING, NOW + timedelta(seconds=50))


def test_an_unknown_outcome_is_an_error():
    with pytest.raises(AssertionError):
        settle("sent")  # type: ignore[arg-type]


outcomes = st.one_of(
    st.builds(Sent),
    st.builds(Rejected, st.text()),
    st.builds(AddressGone, st.text()),
    # A provider can ask for any number of seconds, also for more than a date can hold.
    st.builds(RetryLater, st.text(), st.sampled_from(Failure), st.none() | st.floats(0, 1e6) | st.floats(1e6, 1e300)),
    st.builds(Deferred, st.floats(0, 1e6) | st.floats(1e6, 1e300)),
)


@given(outcomes, st.integers(1, 20), st.floats(0, 1), st.integers(1, 10**6))
def test_a_delivery_is_due_exactly_when_it_is_open_and_never_past_expiry(outcome, attempts, dice, life):
    expires_at = NOW + timedelta(seconds=life)
    result = settle(outcome, attempts=attempts, expires_at=expires_at, dice=dice)
    assert (result.due_at is not None) == (result.state in OPEN)
    if result.due_at is not None:
        assert NOW <= result.due_at < expires_at
    held = isinstance(outcome, Deferred) and result.state is State.PENDING
    assert (result.reason is None) == (result.state is State.SENT or held)
