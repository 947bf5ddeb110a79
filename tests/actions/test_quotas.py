"""What a tenant can use, and what is refused beyond that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from actions.problems import Problem
from actions.quotas import Quotas
from models.sql.engine import read, write
from models.tenants.quotas import DEFAULTS, Quota, set_quota
from models.topics.queries import count_topics, open_topic, subscribe
from tests.factories import NOW, create_tenant, create_users


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quotas(engine: Engine, redis_server: str, clock: Clock) -> Iterator[Quotas]:
    create_tenant(engine)
    create_tenant(engine, "umbra")
    quotas = Quotas(engine, redis_server, clock)
    yield quotas
    quotas.close()


def limit(engine: Engine, quota: Quota, number: int) -> None:
    with write(engine) as connection:
        set_quota(connection, "acme", quota, number)


def refused(quotas: Quotas, engine: Engine, what: str, *args: object) -> str | None:
    try:
        with read(engine) as connection:
            getattr(quotas, what)(connection, "acme", *args)
    except Problem as problem:
        return f"{problem.status} {problem.code}"
    return None


def test_what_is_used_up_comes_back_evenly_and_others_do_not_feel_it(quotas, engine):
    limit(engine, Quota.RECIPIENTS, 864)
    quotas.spend("acme", Quota.RECIPIENTS, 800)
    with pytest.raises(Problem) as caught:
        quotas.spend("acme", Quota.RECIPIENTS, 100)
    assert (caught.value.status, caught.value.code) == (429, "quota_exceeded")
    # 36 are missing, at 864 a day.
    assert 3500 < int(caught.value.headers["Retry-After"]) <= 3600
    quotas.spend("acme", Quota.RECIPIENTS, 64)
    quotas.spend("umbra", Quota.RECIPIENTS, 864)


def test_more_than_a_day_s_worth_is_let_through_at_once_and_paid_afterwards(quotas, engine):
    limit(engine, Quota.RECIPIENTS, 1000)
    quotas.spend("acme", Quota.RECIPIENTS, 3000)
    with pytest.raises(Problem) as caught:
        quotas.spend("acme", Quota.RECIPIENTS, 1)
    assert 2 * 86_400 < int(caught.value.headers["Retry-After"]) < 2.1 * 86_400


def test_a_larger_quota_holds_within_seconds(quotas, engine, clock):
    limit(engine, Quota.RECIPIENTS, 10)
    quotas.spend("acme", Quota.RECIPIENTS, 10)
    limit(engine, Quota.RECIPIENTS, 20)
    with pytest.raises(Problem):
        quotas.spend("acme", Quota.RECIPIENTS, 1)
    clock.now += 11
    quotas.spend("acme", Quota.RECIPIENTS, 20)


def test_small_numbers_are_taken_together(quotas, engine, clock):
    limit(engine, Quota.BYTES, 100_000)
    for _ in range(99):
        quotas.spend("acme", Quota.BYTES, 1)
    assert used(quotas, Quota.BYTES) == 0
    quotas.spend("acme", Quota.BYTES, 1)
    assert used(quotas, Quota.BYTES) == 100


def used(quotas: Quotas, quota: Quota) -> int | None:
    return next(one.used for one in quotas.used("acme") if one.quota == quota)


def test_without_redis_nothing_is_refused_and_nothing_is_known(engine, quotas):
    limit(engine, Quota.RECIPIENTS, 10)
    alone = Quotas(engine, "redis://127.0.0.1:1/0")
    for _ in range(3):
        alone.spend("acme", Quota.RECIPIENTS, 10)
    assert used(alone, Quota.RECIPIENTS) is None


def test_a_tenant_with_as_many_users_as_it_can_have_keeps_them(quotas, engine, clock):
    limit(engine, Quota.USERS, 2)
    create_users(engine, ["alice"])
    create_users(engine, ["mallory"], tenant="umbra")
    assert refused(quotas, engine, "require_users", ["alice", "bob"]) is None
    assert refused(quotas, engine, "require_users", ["alice", "bob", "carol"]) == "409 quota_reached"
    create_users(engine, ["bob"])
    clock.now += 11
    assert refused(quotas, engine, "require_users", ["alice", "bob", "alice"]) is None
    assert refused(quotas, engine, "require_users", ["carol"]) == "409 quota_reached"


def test_users_are_counted_again_soon_only_if_the_quota_is_near(quotas, engine, clock):
    limit(engine, Quota.USERS, 1_000_000)
    assert refused(quotas, engine, "require_users", ["alice"]) is None
    assert (Quota.USERS, "acme", 1_000_000) in quotas._known
    _, until = quotas._known[Quota.USERS, "acme", 1_000_000]
    assert until == clock.now + 200


def test_topics_are_counted_once_each(quotas, engine, clock):
    ids = list(create_users(engine, ["alice", "bob"]).values())
    with write(engine) as connection:
        assert count_topics(connection, "acme", 9) == 0
        for topic in ("a", "b", "c"):
            subscribe(connection, "acme", topic, ids, NOW)
        for topic in ("c", "d"):
            open_topic(connection, "acme", topic, NOW)
        open_topic(connection, "umbra", "e", NOW)
        assert [count_topics(connection, "acme", most) for most in (9, 4, 2)] == [4, 4, 2]
        assert count_topics(connection, "umbra", 9) == 1
    limit(engine, Quota.TOPICS, 4)
    assert refused(quotas, engine, "require_topic", "d") is None
    assert refused(quotas, engine, "require_topic", "e") == "409 quota_reached"


def test_what_is_used_is_shown(quotas, engine):
    create_users(engine, ["alice"])
    limit(engine, Quota.USERS, 5)
    limit(engine, Quota.RECIPIENTS, 8640)
    quotas.spend("acme", Quota.RECIPIENTS, 2000)
    shown = {one.quota: (one.limit, one.used) for one in quotas.used("acme")}
    assert shown == {
        Quota.USERS: (5, 1),
        Quota.TOPICS: (DEFAULTS[Quota.TOPICS], 0),
        Quota.EVENT_TYPES: (500, 0),
        Quota.ATTACHMENTS: (DEFAULTS[Quota.ATTACHMENTS], 0),
        Quota.RECIPIENTS: (8640, 2000),
        Quota.BYTES: (DEFAULTS[Quota.BYTES], 0),
    }
