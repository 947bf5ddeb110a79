"""Values in Redis that are not ours: whatever lies there, no request is answered with an error of ours."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
import redis

from bus.presence import Leases, Report

GARBAGE = [b"", b"x", b"\xff\x00", b"nan", b"inf", b"-1", b"1e400", b"9" * 400, b"1 2 3 4", b"a b", b"[" * 100_000]
POLLING = "/api/polling/acme/events?since=2026-01-01T00:00:00Z"
READ = [
    ("/metrics", "operator"),
    ("/v1/operator/overview", "operator"),
    ("/v1/presence?users=alice", "operator"),
    ("/v1/presence", "alice"),
    ("/v1/connections/count", "service"),
    ("/v1/users/alice/connections", "service"),
    ("/api/stats", "service"),
    (POLLING, "alice"),
]


@pytest.fixture
def used(app: Any, alice: Any, redis_server: str) -> redis.Redis:
    """A Redis with everything that the processes keep there."""
    here = app.extensions["carillon"]
    here.counters.increment("accepted")
    here.counters.observe(0.2)
    here.counters.gauge("oldest:push", 3.0)
    here.counters.add_total("deliveries:push:sent:none")
    here.counters.beat("relay")
    here.counters.flush()
    here.leases.keep([Report("acme", "alice", "connection", "online")])
    assert alice.get(POLLING).status_code == 200
    return redis.Redis.from_url(redis_server)


def spoil(client: redis.Redis, shift: int) -> None:
    """Put garbage beside and in place of every value, and keep the types. With each shift a value gets another kind."""
    kinds = itertools.cycle(GARBAGE[shift:] + GARBAGE[:shift])
    for key in client.scan_iter():
        if key.startswith((b"carillon:limit:", b"carillon:polling:interval:")):
            # Token buckets: their numbers decide whether a request is refused, as they should.
            continue
        kind = client.type(key)
        if kind == b"hash":
            names = [*client.hkeys(key), b"", b"took:x", b"took:9999999", b"level:x", *GARBAGE]
            client.hset(key, mapping={name: next(kinds) for name in names})
        elif kind == b"zset":
            now = time.time()
            for garbage in GARBAGE:
                client.zadd(key, {garbage: 1.0, garbage + b" x": now, b"2026-01-01T00:00:00 " + garbage: now})
        else:
            client.set(key, next(kinds))


def retype(client: redis.Redis) -> None:
    for key in client.scan_iter():
        client.delete(key)
        client.rpush(key, "x")


def answers(callers: dict[str, Any]) -> dict[str, int]:
    for_presence = {"Carillon_Tenant": "acme"}
    return {
        path: callers[who].get(path, **(for_presence if "?users" in path else {})).status_code for path, who in READ
    }


@pytest.fixture
def callers(operator: Any, service: Any, alice: Any) -> dict[str, Any]:
    return {"operator": operator, "service": service, "alice": alice}


@pytest.mark.parametrize("shift", [0, 4, 8])
def test_values_that_are_not_understood_count_as_missing(used, callers, redis_server, shift):
    before = answers(callers)
    spoil(used, shift)
    assert answers(callers) == before
    # Presence goes on: who comes now is seen, and the garbage is gone.
    leases = Leases(redis_server, "carillon")
    leases.keep([Report("acme", "bob", "another", "away"), Report("acme", "alice", "connection", None)])
    assert leases.states("acme", ["bob"]).users == {"bob": "away"}
    assert leases.connections("acme", "bob") == ["another"]


def test_values_of_another_type_make_what_needs_them_unavailable(used, callers):
    retype(used)
    assert {*answers(callers).values()} <= {200, 404, 503}
