"""What tenants use is counted by day, whatever happens to the database meanwhile."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy.exc import OperationalError

from actions import usage as counting
from actions.usage import UsageCounts
from models import retention
from models.deliveries.lifecycle import AddressGone, Rejected, RetryLater, Sent
from models.notifications.recall import recall
from models.sql.engine import read, write
from models.usage.queries import Measure, Used, add, by_day, by_tenant
from tests.factories import NOW, accept_one, create_tenant, create_users
from tests.waiting import eventually
from workers.deliver import deliver_batch
from workers.expand import expand_and_ring

TODAY = NOW.date()


@pytest.fixture
def usage(engine, clock):
    with closing(UsageCounts(engine, clock)) as usage:
        yield usage


@pytest.fixture
def used(engine, usage):
    """Days and what was used on them."""

    def used(tenant: str = "acme", mode: str = "live") -> dict[date, Used]:
        usage.flush()
        with read(engine) as connection:
            return by_day(connection, tenant, mode, TODAY - timedelta(days=30), TODAY + timedelta(days=30))

    return used


def test_what_became_of_deliveries_is_counted_by_tenant_mode_and_day(run, engine, clock, usage, used):
    run = replace(run, usage=usage)
    create_users(engine, [f"u{i}" for i in range(4)], email=True, device=True)
    expand_and_ring(run, accept_one(engine, audience={"tenant": True}))
    run.channels["live"]["push"].script = [Sent("p"), RetryLater("503"), Rejected("bad"), AddressGone("gone")]
    deliver_batch(run, "push")
    assert used() == {TODAY: Used(0, 4, {"in_app": {"sent": 4}, "push": {"dead": 2, "sent": 1}})}
    clock.advance(timedelta(days=1).total_seconds())
    # The retry succeeds, and the e-mails have waited for too long.
    deliver_batch(run, "push")
    deliver_batch(run, "email")
    expand_and_ring(
        run, accept_one(engine, clock(), audience={"users": [{"id": "u1"}]}, channels=["in_app"], mode="test")
    )
    tomorrow = {"push": {"expired": 1}, "email": {"expired": 4}}
    assert used()[TODAY + timedelta(days=1)].deliveries == tomorrow
    assert used(mode="test") == {TODAY + timedelta(days=1): Used(0, 1)}
    assert used("umbra") == {}


def test_a_recall_addresses_nobody(run, engine, usage, used):
    run = replace(run, usage=usage)
    create_users(engine, ["alice", "bob"])
    id_ = accept_one(engine, audience={"tenant": True}, channels=["in_app"])
    expand_and_ring(run, id_)
    with write(engine) as connection:
        recall(connection, "acme", id_, NOW)
    expand_and_ring(run, id_)
    assert used()[TODAY].recipients == 2


def test_counts_outlast_an_outage_of_the_database(engine, usage, used, monkeypatch):
    create_tenant(engine)
    usage.count("acme", "live", "sent", 2, "push")

    def fail(*_: object) -> None:
        raise OperationalError("INSERT", {}, Exception("down"))

    with monkeypatch.context() as patch:
        patch.setattr(counting, "add", fail)
        usage.flush()
        usage.count("acme", "live", "sent", 3, "push")
        usage.flush()
    assert used() == {TODAY: Used(deliveries={"push": {"sent": 5}})}


def test_the_counts_of_a_process_are_written_by_its_thread_and_at_its_end(engine, clock, monkeypatch):
    monkeypatch.setattr(counting, "INTERVAL", 0.05)
    ended = UsageCounts(engine, clock)
    ended.count("acme", "live", "notifications")

    def written() -> bool:
        with read(engine) as connection:
            return by_tenant(connection, "live", TODAY, TODAY) == {"acme": Used(1)}

    eventually(written)
    ended.count("acme", "live", "notifications")
    ended.close()
    with read(engine) as connection:
        assert by_tenant(connection, "live", TODAY, TODAY) == {"acme": Used(2)}


def test_processes_that_add_at_once_add_up(engine):
    measures = [Measure(f"t{number}", "live", TODAY, "push", "sent") for number in range(50)]

    def process(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(10):
            with write(engine) as connection:
                add(connection, dict.fromkeys(dice.sample(measures, len(measures)), 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(process, range(4)))
    with read(engine) as connection:
        found = by_tenant(connection, "live", TODAY, TODAY)
    assert found == {f"t{number}": Used(deliveries={"push": {"sent": 40}}) for number in range(50)}


def test_usage_is_kept_for_longer_than_a_year(engine):
    days = [TODAY - timedelta(days=age) for age in (0, 366, 400, 401)]
    with write(engine) as connection:
        add(connection, {Measure("acme", "live", day, "", "notifications"): 1 for day in days})
    assert sum(retention.purge(engine, lambda: NOW, timedelta(days=1))) == 1
    with read(engine) as connection:
        assert list(by_day(connection, "acme", "live", date.min, date.max)) == days[:3]
