"""One circuit breaker for all that a process asks of its Redis."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Event
from urllib.parse import urlsplit

import pytest
import redis

from bus import redis as module
from bus.adaptive_rate import AdaptiveRate
from bus.bells import Bells
from bus.presence import Away, Leases
from bus.publisher import Publisher
from bus.redis import TIMEOUT, UNAVAILABLE, breaker_of, connect
from bus.token_bucket import Limit, SharedBuckets
from tests import factories
from tests.conftest import redis_process
from tests.faults import Proxy, frozen
from tests.waiting import eventually


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OPEN_SECONDS", 0.2)
    monkeypatch.setattr(module, "LONGEST_OPEN", 0.2)


@contextmanager
def users_of(url: str) -> Iterator[list[object]]:
    """What a process does with Redis while somebody waits, as calls."""
    with (
        closing(SharedBuckets(url, "requests")) as buckets,
        closing(AdaptiveRate(url, 100, 1)) as rate,
        closing(Publisher(url, "topic", factories.bus_secret)) as publisher,
    ):
        leases = Leases(url, "topic")
        yield [
            lambda: buckets.take([("key", Limit(1, 1))]),
            lambda: rate.take("project", 1),
            lambda: publisher.publish([]),
            lambda: leases.states("acme"),
        ]


def test_a_redis_that_stands_still_costs_all_users_one_time_out(quick, caplog):
    with redis_process() as (url, process), users_of(url) as users, ThreadPoolExecutor(8) as threads:

        def ask(user) -> None:
            try:
                user()
            except (*UNAVAILABLE, Away):
                return

        for user in users:
            ask(user)
        with frozen(process.pid):
            began = time.monotonic()
            ask(users[0])
            # Without a time-out it would wait for ever.
            assert time.monotonic() - began < 10
            # Open: nobody asks. Asking would take 200 time-outs, eight at a time.
            began = time.monotonic()
            breaker_of(url).failed(at_least=60)
            for work in [threads.submit(ask, user) for user in users * 50]:
                work.result()
            assert time.monotonic() - began < 10 * TIMEOUT
        said = [record for record in caplog.records if record.name == "bus.redis"]
        assert [record.getMessage() for record in said if record.levelno >= logging.WARNING] == [
            "redis does not answer"
        ]


def test_it_is_found_again(quick):
    with redis_process() as (url, process), closing(connect(url)) as client, closing(connect(url)) as other:
        client.ping()
        with frozen(process.pid), pytest.raises(UNAVAILABLE):
            client.ping()
        with pytest.raises(redis.ConnectionError, match="a moment ago"):
            other.pipeline().ping().execute()
        eventually(lambda: _answers(other))
        assert client.ping()


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except UNAVAILABLE:
        return False


def test_a_network_that_drops_packets_is_noticed_and_forgotten(quick, redis_server):
    with (
        closing(Proxy(("127.0.0.1", urlsplit(redis_server).port))) as proxy,
        closing(connect(f"redis://127.0.0.1:{proxy.port}/0")) as client,
    ):
        client.ping()
        began = time.monotonic()
        with proxy.dropping(), pytest.raises(UNAVAILABLE):
            client.ping()
        # Without a time-out it would wait for ever.
        assert time.monotonic() - began < 10
        # The old connection is dead for good.
        eventually(lambda: _answers(client))


def test_an_answer_that_is_an_error_is_an_answer(redis_server):
    with closing(connect(redis_server)) as client:
        client.set("text", "x")
        for ask in (lambda: client.incr("text"), lambda: client.pipeline().incr("text").execute()):
            with pytest.raises(redis.ResponseError):
                ask()
            assert breaker_of(redis_server).closed


def test_a_pipeline_without_commands_asks_nothing_and_closes_nothing():
    url = "redis://127.0.0.1:1/7"
    breaker_of(url).failed(at_least=-60)
    with closing(connect(url)) as client:
        assert client.pipeline().execute() == []
    assert not breaker_of(url).closed


def test_a_subscription_stays_while_the_breaker_is_open(redis_server):
    with closing(connect(redis_server)) as client, client.pubsub(ignore_subscribe_messages=True) as subscription:
        subscription.subscribe("channel")
        eventually(lambda: client.pubsub_numsub("channel") == [(b"channel", 1)])
        breaker_of(redis_server).failed(at_least=0.5)
        subscription.get_message(timeout=0.1)
        with redis.Redis.from_url(redis_server) as other:
            other.publish("channel", "x")
        assert eventually(lambda: subscription.get_message(timeout=1))["data"] == b"x"
        breaker_of(redis_server).succeeded()


def test_bells_are_not_tried_at_a_redis_that_does_not_answer_and_try_again_later():
    with redis_process() as (url, _):
        bells = Bells(url)
        assert bells.publish()
        breaker_of(url).failed(at_least=0.5)
        assert not bells.publish()
        Event().wait(0.6)
        # Nobody else asks Redis in this process.
        eventually(bells.publish)
        bells.close()
