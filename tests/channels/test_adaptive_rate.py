"""The pace of push, shared through a real Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from bus.adaptive_rate import AdaptiveRate
from channels.fcm import channel as fcm
from models.deliveries.lifecycle import Deferred, RetryLater, Sent
from tests.channels.support import Lab, batch

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def pace(redis_server: str, slept: list[float]) -> Iterator[Callable[..., AdaptiveRate]]:
    made: list[AdaptiveRate] = []

    def make(limit: float = 100, patience: float = 0.0) -> AdaptiveRate:
        made.append(AdaptiveRate(redis_server, limit, patience, sleep=slept.append))
        return made[-1]

    yield make
    for one in made:
        one.close()


def rate_of(redis_server: str) -> float:
    with redis.Redis.from_url(redis_server) as client:
        return float(client.hget("carillon:fcm:p", "rate") or 0)


def forget_the_cut(redis_server: str) -> None:
    with redis.Redis.from_url(redis_server) as client:
        client.hset("carillon:fcm:p", "cut_at", "0")


def test_a_second_s_worth_goes_at_once_and_no_more_for_all_processes_together(pace) -> None:
    assert pace().take("p", 60)[0] == 60
    granted, rate = pace().take("p", 60)
    assert 40 <= granted < 60
    assert rate == 100


def test_each_project_has_a_pace_of_its_own(pace) -> None:
    assert pace().take("p", 100)[0] == 100
    assert pace().take("q", 100)[0] == 100


def test_a_batch_waits_for_its_turn_within_its_patience(pace, slept) -> None:
    granted, _ = pace(patience=1.0).take("p", 10_000)
    assert slept
    assert sum(slept) <= 1.0
    assert granted < 10_000


def test_refusals_halve_the_rate_and_once_for_a_volley(pace, redis_server: str) -> None:
    one = pace()
    one.learn("p", taken=0, refused=10)
    assert rate_of(redis_server) == 50
    one.learn("p", taken=0, refused=10)
    assert rate_of(redis_server) == 50
    forget_the_cut(redis_server)
    one.learn("p", taken=0, refused=10)
    assert rate_of(redis_server) == 25


def test_however_much_is_refused_something_goes(pace, redis_server: str) -> None:
    one = pace()
    for _ in range(30):
        forget_the_cut(redis_server)
        one.learn("p", taken=0, refused=1)
    assert rate_of(redis_server) == 1
    assert one.take("p", 5)[0] <= 1


def test_success_brings_the_rate_back_and_not_beyond_the_limit(pace, redis_server: str) -> None:
    one = pace()
    one.learn("p", taken=0, refused=10)
    one.learn("p", taken=50, refused=0)
    after_a_second = rate_of(redis_server)
    assert 51 < after_a_second < 52
    for _ in range(100):
        one.learn("p", taken=100, refused=0)
    assert rate_of(redis_server) == 100


def test_a_device_that_gets_too_many_slows_nobody_else(pace, redis_server: str) -> None:
    one = pace()
    one.take("p", 1)
    one.learn("p", taken=499, refused=1)
    assert rate_of(redis_server) == 100


def test_without_redis_everything_goes() -> None:
    one = AdaptiveRate(NOWHERE, 1, 0)
    assert one.take("p", 500) == (500, 1)
    one.learn("p", taken=0, refused=500)
    assert one.take("p", 500) == (500, 1)


def test_what_is_not_granted_is_held_in_its_order_and_a_429_slows_the_next_batch(lab: Lab, redis_server: str) -> None:
    settings = lab.settings().model_copy(update={"redis_url": redis_server, "fcm_quota": 600, "lease": 2.0})
    channel = fcm.build(settings, "test")
    assert channel is not None
    outcomes = channel.send(batch(*[f"device-{i}" for i in range(13)]))
    assert all(isinstance(o, Sent) for o in outcomes[:10])
    held = [o.after for o in outcomes[10:] if isinstance(o, Deferred)]
    assert held == pytest.approx([0.1, 0.2, 0.3])
    with redis.Redis.from_url(redis_server) as client:
        [key] = client.keys("carillon:fcm:*")
        client.hset(key, "tokens", "10")
        [refused] = channel.send(batch("quota-device"))
        assert isinstance(refused, RetryLater)
        assert float(client.hget(key, "rate") or 0) == 5
    channel.close()
