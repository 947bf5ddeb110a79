"""How often a caller may ask, and what happens when Redis is away, slow or frozen."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from actions.principal import Principal
from bus import redis as bus_redis
from bus.redis import TIMEOUT
from bus.token_bucket import Limit
from tests.conftest import redis_process
from tests.factories import free_port
from tests.web.callers import BODY
from web.limits import Limiter


def principal(name: str = "key", tenant: str = "acme", kind="service") -> Principal:
    return Principal(kind, tenant, name, "live", None)


@pytest.fixture
def bucket(redis_server):
    """Makes limiters with one limit for everybody."""
    made = []

    def make(rate: float, burst: int, url: str = redis_server, **other: Limit) -> Limiter:
        made.append(Limiter(url, dict.fromkeys(("service", "user", "operator"), Limit(rate, burst)), **other))
        return made[-1]

    yield make
    for limiter in made:
        limiter.close()


def test_a_burst_is_let_through_and_no_more(bucket):
    limiter = bucket(rate=0.5, burst=5)
    verdicts = [limiter.take(principal()) for _ in range(6)]
    assert [v.allowed for v in verdicts] == [True] * 5 + [False]
    assert [v.remaining for v in verdicts] == [4, 3, 2, 1, 0, 0]
    assert verdicts[0].headers() == {
        "RateLimit-Policy": '"service";q=5;w=10',
        "RateLimit": '"service";r=4;t=2',
        "RateLimit-Limit": "5",
        "RateLimit-Remaining": "4",
        "RateLimit-Reset": "2",
    }
    assert verdicts[-1].headers()["Retry-After"] == "2"


def test_tokens_come_back_with_time(bucket):
    limiter = bucket(rate=20, burst=2)
    assert [limiter.take(principal()).allowed for _ in range(3)] == [True, True, False]
    time.sleep(0.12)
    assert limiter.take(principal()).allowed


def test_everyone_has_a_bucket_of_their_own(bucket):
    limiter = bucket(rate=0.1, burst=1)
    everyone = [principal(), principal("other"), principal(tenant="umbra"), principal(kind="user")]
    assert [limiter.take(one).allowed for one in everyone] == [True] * 4
    assert [limiter.take(one).allowed for one in everyone] == [False] * 4


def test_names_that_look_alike_do_not_share_a_bucket(bucket):
    limiter = bucket(rate=0.1, burst=1)
    for one in (principal("b:c", tenant="a"), principal("c", tenant="a:b")):
        assert limiter.take(one).allowed


def test_all_of_a_tenant_together_have_a_limit_and_other_tenants_do_not_feel_it(bucket, redis_server):
    limiter = bucket(rate=0.1, burst=3, per_tenant=Limit(rate=0.5, burst=5))
    callers = [principal(f"user {n}", kind="user") for n in range(10)]
    verdicts = [limiter.take(caller) for caller in callers]
    assert [v.allowed for v in verdicts] == [True] * 5 + [False] * 5
    assert (verdicts[0].scope, verdicts[0].limit, verdicts[0].remaining) == ("user", 3, 2)
    assert (verdicts[-1].scope, verdicts[-1].limit, verdicts[-1].retry_after) == ("tenant", 5, 2)
    assert limiter.take(principal(tenant="umbra")).allowed
    assert limiter.take(principal("ops", kind="operator")).allowed
    # Whoever was refused because of others has spent nothing.
    with redis.Redis.from_url(redis_server) as client:
        # As if two seconds had passed.
        client.hincrbyfloat("carillon:limit:tenant:acme", "at", -2.1)
    assert limiter.take(callers[-1]).remaining == 2


def test_no_token_is_spent_twice(bucket):
    several = [bucket(rate=0.001, burst=100) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda n: several[n % 4].take(principal()), range(200)))
    assert sum(v.allowed for v in verdicts) == 100


def test_a_bucket_is_forgotten_when_it_would_be_full(bucket, redis_server):
    bucket(rate=1000, burst=10).take(principal())
    with redis.Redis.from_url(redis_server) as client:
        assert 0 < client.pttl("carillon:limit:service:acme/key") < 2000


def test_a_wiped_redis_is_no_failure(bucket, redis_server):
    limiter = bucket(rate=1, burst=1)
    limiter.take(principal())
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
        client.script_flush()
    assert limiter.take(principal()).allowed


def test_without_redis_everybody_is_let_through_at_once(bucket):
    limiter = bucket(rate=1, burst=1, url=f"redis://127.0.0.1:{free_port()}/0")
    began = time.monotonic()
    assert [limiter.take(principal()) for _ in range(1000)] == [None] * 1000
    assert time.monotonic() - began < 10


def test_a_frozen_redis_slows_one_request_and_not_all(bucket, monkeypatch):
    monkeypatch.setattr(bus_redis, "OPEN_SECONDS", 0.5)
    with redis_process() as (url, process):
        limiter = bucket(rate=0.1, burst=1, url=url)
        assert limiter.take(principal()).allowed
        process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert [limiter.take(principal()) for _ in range(100)] == [None] * 100
        # One hundred time-outs would take longer.
        assert time.monotonic() - began < 30 * TIMEOUT
        process.send_signal(signal.SIGCONT)
        time.sleep(0.6)
        # It is found again, and still knows who has spent what.
        assert limiter.take(principal()).allowed is False


def test_the_caller_is_told(app, service, monkeypatch, bucket):
    told = service.get("/v1/notifications").headers
    assert (told["RateLimit-Limit"], told["RateLimit-Remaining"]) == ("1200", "1199")
    monkeypatch.setattr(app.extensions["carillon"].limiter, "take", bucket(rate=0.1, burst=1).take)
    assert service.get("/v1/notifications").status_code == 200
    refused = service.send()
    assert (refused.status_code, refused.json["code"]) == (429, "rate_limited")
    assert 0 < int(refused.headers["Retry-After"]) <= 10
    assert 'carillon_rate_limited_total{scope="service"} 1.0' in service.get("/metrics").text


def test_without_redis_the_api_works_unlimited(app, service, monkeypatch, bucket):
    gone = bucket(rate=1, burst=1, url=f"redis://127.0.0.1:{free_port()}/0")
    monkeypatch.setattr(app.extensions["carillon"].limiter, "take", gone.take)
    answers = [service.send() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert "RateLimit-Limit" not in answers[0].headers
    assert "carillon_rate_limiter_skipped_total 3.0" in service.get("/metrics").text


def test_a_large_request_counts_as_several(app, service, monkeypatch, bucket):
    limiter = bucket(rate=0.001, burst=100, per_tenant=Limit(rate=0.001, burst=1000))
    monkeypatch.setattr(app.extensions["carillon"].limiter, "take", limiter.take)

    def remaining(path: str, document: object) -> int:
        return int(service.post(path, document).headers["RateLimit-Remaining"])

    assert remaining("/v1/notifications", BODY) == 99
    assert remaining("/v1/notifications", BODY | {"message": "x" * 9000}) == 99 - 3
    # A small request of many notifications: 1, and 20 for them.
    assert remaining("/v1/notifications/bulk", {"items": [{}] * 100}) == 96 - 21
    assert remaining("/v1/notifications/bulk", {"items": [{}] * 100}) == 75 - 21
    # More than is left waits, and takes nothing.
    assert [service.post("/v1/notifications/bulk", {"items": [{}] * 100}).status_code for _ in range(3)] == [
        202,
        202,
        429,
    ]
