from __future__ import annotations

from bus.token_bucket import Bucket, Buckets, Limit
from web.realtime.gateway.rate_limits import RateLimits
from web.realtime.limits import PER_CONNECTION, PER_TENANT, PER_USER, PER_USER_AND_EVENT

RATE = Limit(20, 40)


def plenty(now: float = 0.0) -> Bucket:
    """Of a connection that refuses nothing."""
    return Bucket(Limit(1e9, 10**9), now)


def taken(limits: RateLimits, number: int, *, tenant="acme", user="alice", event="test", cost=1, now=0.0) -> int:
    own = plenty(now)
    return sum(limits.take(own, tenant, user, event, cost, now) for _ in range(number))


def test_a_bucket_gives_a_burst_and_then_its_rate():
    bucket = Bucket(RATE, 0.0)
    assert [bucket.take(1, 0.0) for _ in range(42)] == [True] * 40 + [False] * 2
    assert bucket.refused == 2
    assert [bucket.take(1, 1.0) for _ in range(21)] == [True] * 20 + [False]
    assert not bucket.take(4, 1.1)
    assert bucket.take(4, 1.25)
    assert bucket.refused == 4
    bucket.take(1, 100.0)
    assert bucket.refused == 0


def test_every_key_has_a_bucket_and_full_ones_are_forgotten():
    buckets = Buckets(Limit(1, 2), sweep=100)
    assert all(buckets.take(n, 2, 0.0) for n in range(100))
    assert not buckets.take(99, 1, 0.5)
    assert buckets.take("one more", 1, 1.0)
    assert len(buckets) == 101, "none was full"
    assert buckets.take("the last", 1, 10.0)
    assert len(buckets) == 1


def test_a_user_with_many_connections_has_one_limits():
    limits = RateLimits()
    assert sum(taken(limits, 100, event=f"event {n}") for n in range(5)) == PER_USER.burst
    assert taken(limits, 1, user="bob") == 1
    assert taken(limits, 1, tenant="umbra") == 1
    assert taken(limits, 1000, now=1.0) == PER_USER.rate


def test_one_event_does_not_take_all_of_it():
    limits = RateLimits()
    assert taken(limits, 1000) == PER_USER_AND_EVENT.burst
    assert taken(limits, 1000, event="sync", cost=4) == (PER_USER.burst - PER_USER_AND_EVENT.burst) / 4
    assert taken(limits, 1, event="third") == 0


def test_a_tenant_with_many_users_leaves_the_others_their_share():
    limits = RateLimits()
    users = PER_TENANT.burst // PER_USER_AND_EVENT.burst + 10
    assert sum(taken(limits, 200, user=f"user {n}") for n in range(users)) == PER_TENANT.burst
    assert taken(limits, 1, user="another") == 0
    assert taken(limits, 1, tenant="umbra") == 1


def test_refusals_are_counted_where_the_connection_is_judged_by_them():
    limits, own = RateLimits(), plenty()
    for _ in range(PER_USER_AND_EVENT.burst + 3):
        limits.take(own, "acme", "alice", "test", 1, 0.0)
    assert own.refused == 3
    own = Bucket(PER_CONNECTION, 0.0)
    assert not limits.take(own, "acme", "bob", "test", PER_CONNECTION.burst + 1, 0.0)
    assert own.refused == 1
