from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from models.channels import CHANNELS
from models.retry import RetryPolicy

POLICY = RetryPolicy(base=2, cap=60, max_attempts=5)


def test_the_ceiling_doubles_up_to_the_cap():
    assert [POLICY.delay(n, None, lambda: 1.0) for n in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]


def test_the_whole_range_below_the_ceiling_is_used():
    assert POLICY.delay(3, None, lambda: 0.0) == 0
    delays = [POLICY.delay(6, None, random.Random(1).random) for _ in range(3)]
    assert all(0 <= d <= 60 for d in delays)


@given(st.integers(0, 10**9), st.floats(0, 1), st.none() | st.floats(0, 1e5))
def test_every_delay_lies_between_the_floor_and_the_floor_plus_cap(attempts, dice, floor):
    delay = POLICY.delay(attempts, floor, lambda: dice)
    assert (floor or 0) <= delay <= (floor or 0) + POLICY.cap


def test_exhaustion():
    assert [POLICY.exhausted(n) for n in (0, 4, 5, 6)] == [False, False, True, True]
    assert not RetryPolicy(1, 1, None).exhausted(10**9)


def test_every_channel_backs_off_within_reason():
    for spec in CHANNELS.values():
        assert 0 < spec.policy.base < spec.policy.cap
