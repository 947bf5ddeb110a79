from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from models.deliveries import dead_letters as dead
from models.deliveries import due as sweep
from models.deliveries.claim import claim
from models.deliveries.lifecycle import Failure, State, Transition
from models.deliveries.record import record
from models.deliveries.tables import deliveries
from models.lanes import Lane
from models.notifications.tables import notifications
from models.retry import RetryPolicy
from models.sql.engine import read, write
from tests.factories import NOW, accept_one, create_tenant, create_users, expand_all, fail_to_publish

POLICY = RetryPolicy(1, 10, 3)


def test_a_notification_nobody_expands_is_found_once_per_interval(engine):
    create_tenant(engine)
    n = accept_one(engine)
    with write(engine) as connection:
        assert sweep.due_notifications(connection, NOW + timedelta(seconds=1)) == []
        assert sweep.due_notifications(connection, NOW + timedelta(seconds=3)) == [(n, Lane.normal)]
        assert sweep.due_notifications(connection, NOW + timedelta(seconds=4)) == []
        assert sweep.due_notifications(connection, NOW + timedelta(seconds=9)) == [(n, Lane.normal)]
    expand_all(engine, n)
    with write(engine) as connection:
        assert sweep.due_notifications(connection, NOW + timedelta(days=1)) == []


def test_channels_with_work_and_their_backlog(engine):
    create_tenant(engine)
    create_users(engine, ["alice"], email=True)
    channels = ["in_app", "push", "email"]
    pages = expand_all(engine, accept_one(engine))
    with read(engine) as connection:
        assert sweep.channels_with_work(connection, channels, NOW) == ["email"]
        assert sweep.channels_with_work(connection, channels, NOW - timedelta(seconds=1)) == []
        assert sweep.backlog(connection, "email", NOW + timedelta(seconds=7)) == (1, 7.0)
        assert sweep.backlog(connection, "push", NOW) == (0, 0.0)
    fail_to_publish(engine, pages)
    with read(engine) as connection:
        assert sweep.channels_with_work(connection, channels, NOW) == ["in_app", "email"]


def test_purge_takes_what_is_past_retention_and_nothing_else(engine):
    create_tenant(engine)
    create_users(engine, ["alice", "bob"])
    long_ago = NOW - timedelta(days=40)
    old = accept_one(engine, now=long_ago, audience={"tenant": True}, expires_at=NOW - timedelta(days=33))
    accept_one(engine, now=long_ago, expires_at=NOW + timedelta(days=1))
    expand_all(engine, old, now=long_ago)
    removed = []
    while True:
        with write(engine) as connection:
            gone = sweep.purge(connection, NOW, timedelta(days=30), limit=1)
        if not gone:
            break
        removed.append(gone)
    assert removed == [1, 1, 1]
    with read(engine) as connection:
        assert connection.execute(select(func.count()).select_from(notifications)).scalar_one() == 1
        assert connection.execute(select(func.count()).select_from(deliveries)).scalar_one() == 0


@pytest.fixture
def cemetery(engine):
    """Five dead e-mails of acme (three rejected, two gone) and one of umbrella."""
    for tenant, names in (("acme", [f"u{i}" for i in range(5)]), ("umbrella", ["x"])):
        create_tenant(engine, tenant)
        create_users(engine, names, tenant=tenant, email=True)
        audience = {"users": [{"id": n} for n in names]}
        expand_all(engine, accept_one(engine, tenant_id=tenant, audience=audience, channels=["email"]))
        with write(engine) as connection:
            batch = claim(connection, "email", POLICY, 10, 60, NOW)
            failures = [Failure.BAD_REQUEST] * 3 + [Failure.ADDRESS_GONE] * 2
            deaths = [
                (c.delivery_id, Transition(State.DEAD, 1, failure=f, reason="no"))
                for c, f in zip(batch.messages, failures, strict=False)
            ]
            record(connection, batch.lease, deaths, NOW)


def test_dead_letters_are_listed_by_tenant_and_class(engine, cemetery):
    with read(engine) as connection:
        assert dead.count_dead(connection, dead.DeadFilter()) == {"address_gone": 2, "bad_request": 4}
        assert dead.count_dead(connection, dead.DeadFilter("acme")) == {"address_gone": 2, "bad_request": 3}
        mine = dead.DeadFilter("acme", failure=Failure.BAD_REQUEST, channel="email")
        first = dead.list_dead(connection, mine, limit=2)
        rest = dead.list_dead(connection, mine, after=first[-1].id)
        assert (len(first), len(rest)) == (2, 1)
        assert {row.tenant_id for row in first} == {"acme"}
        assert dead.list_dead(connection, dead.DeadFilter("acme", channel="push")) == []


def test_redrive_gives_all_attempts_back(engine, cemetery):
    with write(engine) as connection:
        which = dead.DeadFilter("acme", failure=Failure.BAD_REQUEST)
        assert dead.redrive(connection, which, NOW, limit=2) == 2
        assert dead.redrive(connection, which, NOW, limit=2) == 1
        assert dead.redrive(connection, which, NOW) == 0
        assert dead.count_dead(connection, dead.DeadFilter("umbrella")) == {"bad_request": 1}
        again = claim(connection, "email", POLICY, 10, 60, NOW)
    assert [c.attempt for c in again.messages] == [1, 1, 1]


def test_what_has_expired_stays_dead(engine, cemetery):
    with write(engine) as connection:
        assert dead.redrive(connection, dead.DeadFilter("acme"), NOW + timedelta(days=2)) == 0
