"""The rate limit of push, shared through a real Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
import redis

from bus.adaptive_rate import AdaptiveRate
from channels.fcm import channel as fcm
from models.deliveries.lifecycle import Deferred, RetryLater, Sent
from tests.channels.support import Lab, batch

UNREACHABLE = "redis://127.0.0.1:1/0"


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def rate_limit(redis_server: str, slept: list[float]) -> Iterator[Callable[..., AdaptiveRate]]:
    made: list[AdaptiveRate] = []

    def make(limit: float = 100, max_wait: float = 0.0) -> AdaptiveRate:
        made.append(AdaptiveRate(redis_server, limit, max_wait, sleep=slept.append))
        return made[-1]

    yield make
    for one in made:
        one.close()


def current_rate(redis_server: str) -> float:
    with redis.Redis.from_url(redis_server) as client:
        return float(client.hget("carillon:fcm:p", "rate") or 0)


def allow_another_cut(redis_server: str) -> None:
    with redis.Redis.from_url(redis_server) as client:
        client.hset("carillon:fcm:p", "cut_at", "0")


def test_all_processes_together_may_send_one_second_of_messages_at_once(rate_limit) -> None:
    assert rate_limit().take("p", 60)[0] == 60
    granted, rate = rate_limit().take("p", 60)
    assert 40 <= granted < 60
    assert rate == 100


def test_each_project_has_its_own_rate_limit(rate_limit) -> None:
    assert rate_limit().take("p", 100)[0] == 100
    assert rate_limit().take("q", 100)[0] == 100


def test_a_batch_waits_for_tokens_no_longer_than_its_maximum(rate_limit, slept) -> None:
    granted, _ = rate_limit(max_wait=1.0).take("p", 10_000)
    assert slept
    assert sum(slept) <= 1.0
    assert granted < 10_000


def test_refusals_in_quick_succession_halve_the_rate_once(rate_limit, redis_server: str) -> None:
    one = rate_limit()
    one.learn("p", taken=0, refused=10)
    assert current_rate(redis_server) == 50
    one.learn("p", taken=0, refused=10)
    assert current_rate(redis_server) == 50
    allow_another_cut(redis_server)
    one.learn("p", taken=0, refused=10)
    assert current_rate(redis_server) == 25


def test_after_redis_put_its_clock_back_refusals_halve_the_rate(rate_limit, redis_server: str) -> None:
    one = rate_limit()
    one.learn("p", taken=0, refused=10)
    with redis.Redis.from_url(redis_server) as client:
        client.hset("carillon:fcm:p", "cut_at", str(time.time() + 3600))
    one.learn("p", taken=0, refused=10)
    assert current_rate(redis_server) == 25


def test_refusals_never_reduce_the_rate_to_zero(rate_limit, redis_server: str) -> None:
    one = rate_limit()
    for _ in range(30):
        allow_another_cut(redis_server)
        one.learn("p", taken=0, refused=1)
    assert current_rate(redis_server) == 1
    assert one.take("p", 5)[0] <= 1


def test_successes_raise_the_rate_up_to_the_limit(rate_limit, redis_server: str) -> None:
    one = rate_limit()
    one.learn("p", taken=0, refused=10)
    one.learn("p", taken=50, refused=0)
    after_a_second = current_rate(redis_server)
    assert 51 < after_a_second < 52
    for _ in range(100):
        one.learn("p", taken=100, refused=0)
    assert current_rate(redis_server) == 100


def test_a_single_refusal_in_a_large_batch_does_not_slow_the_project(rate_limit, redis_server: str) -> None:
    one = rate_limit()
    one.take("p", 1)
    one.learn("p", taken=499, refused=1)
    assert current_rate(redis_server) == 100


def test_without_redis_nothing_is_limited() -> None:
    one = AdaptiveRate(UNREACHABLE, 1, 0)
    assert one.take("p", 500) == (500, 1)
    one.learn("p", taken=0, refused=500)
    assert one.take("p", 500) == (500, 1)


def test_messages_over_the_limit_are_deferred_in_order_and_a_429_halves_the_rate(lab: Lab, redis_server: str) -> None:
    settings = lab.settings().model_copy(update={"redis_url": redis_server, "fcm_quota": 600, "lease": 2.0})
    channel = fcm.build(settings, "test")
    assert channel is not None
    outcomes = channel.send(batch(*[f"device-{i}" for i in range(13)]))
    assert all(isinstance(o, Sent) for o in outcomes[:10])
    deferred = [o.after for o in outcomes[10:] if isinstance(o, Deferred)]
    assert deferred == pytest.approx([0.1, 0.2, 0.3])
    with redis.Redis.from_url(redis_server) as client:
        [key] = client.keys("carillon:fcm:*")
        client.hset(key, "tokens", "10")
        [refused] = channel.send(batch("quota-device"))
        assert isinstance(refused, RetryLater)
        assert float(client.hget(key, "rate") or 0) == 5
    channel.close()
