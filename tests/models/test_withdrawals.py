"""What may be on a device is withdrawn there, by a recall and by its reader; what cannot be is not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from models.deliveries.claim import claim
from models.deliveries.dead_letters import DeadFilter, redrive
from models.deliveries.lifecycle import AddressGone, Deferred, Failure, Rejected, RetryLater, Sent, next_transition
from models.deliveries.message import Action, Batch
from models.deliveries.record import record
from models.deliveries.tables import deliveries
from models.inbox.changes import READ, change_items
from models.notifications.recall import recall
from models.retry import RetryPolicy
from models.sql.engine import read, write
from tests.factories import NOW, accept_one, create_tenant, create_users, expand_all

LEASE = 60
# Longer than any back-off of these tests.
LATER = timedelta(hours=1)
LOST = "the worker dies"
REDRIVEN = "redriven"

BUG = RetryLater("a bug", Failure.UNCLASSIFIED)
DOWN = RetryLater("timeout")
REFUSED = RetryLater("403", Failure.CREDENTIALS)
QUOTA = RetryLater("429", Failure.QUOTA)


@pytest.fixture
def alice(engine):
    create_tenant(engine)
    create_users(engine, ["alice"], device=True)
    n = accept_one(engine)
    expand_all(engine, n)
    return n


def take(engine, now) -> Batch:
    with write(engine) as connection:
        return claim(connection, "push", RetryPolicy(10, 100, 3), 10, LEASE, now)


def put(engine, batch, outcome, now) -> int:
    results = [
        (
            m.delivery_id,
            next_transition(
                outcome,
                attempts=m.attempt,
                failed=m.failed,
                policy=RetryPolicy(10, 100, 3),
                now=now,
                expires_at=m.content.expires_at,
                rng=lambda: 1.0,
            ),
        )
        for m in batch.messages
    ]
    with write(engine) as connection:
        return record(connection, batch.lease, results, now)


def take_back(engine, notification, way, now):
    with write(engine) as connection:
        if way == "recall":
            assert recall(connection, "acme", notification, now)
        else:
            assert change_items(connection, "acme", "alice", READ, [notification], now).ids
    if way == "recall":
        expand_all(engine, notification, now)


def pushes(engine, action=Action.SHOW):
    with read(engine) as connection:
        query = select(deliveries.c.state).where(deliveries.c.channel == "push", deliveries.c.action == action.value)
        return connection.execute(query).scalars().all()


@pytest.mark.parametrize("way", ["recall", "read"])
@pytest.mark.parametrize(
    ("attempts", "state", "withdrawn"),
    [
        ([Sent()], "sent", True),
        ([DOWN], "pending", True),
        ([BUG], "pending", True),
        ([DOWN, REFUSED], "pending", True),
        ([LOST, REFUSED], "pending", True),
        ([BUG] * 3, "dead", True),
        ([LOST] * 3 + [None], "dead", True),
        ([DOWN, Rejected("bad")], "dead", True),
        ([LOST, Rejected("bad")], "dead", True),
        ([BUG] * 3 + [REDRIVEN], "pending", True),
        ([DOWN, AddressGone("gone")], "dead", True),
        ([RetryLater("503", after=100 * 86400)], "expired", True),
        ([], "pending", False),
        ([Deferred(1)], "pending", False),
        ([REFUSED], "pending", False),
        ([QUOTA], "pending", False),
        ([Rejected("bad")], "dead", False),
        ([AddressGone("gone")], "dead", False),
        ([REFUSED, QUOTA, Rejected("bad")], "dead", False),
        ([RetryLater("429", Failure.QUOTA, 100 * 86400)], "expired", False),
    ],
)
def test_what_may_have_arrived_is_withdrawn(engine, alice, attempts, state, withdrawn, way):
    now = NOW
    for outcome in attempts:
        if outcome is REDRIVEN:
            with write(engine) as connection:
                assert redrive(connection, DeadFilter(), now) == 1
        else:
            batch = take(engine, now)
            if outcome not in (LOST, None):
                assert put(engine, batch, outcome, now) == 1
        now += LATER
    assert pushes(engine) == [state]
    take_back(engine, alice, way, now)
    assert pushes(engine) == ["cancelled" if state == "pending" else state]
    assert pushes(engine, Action.WITHDRAW) == ["pending"] * withdrawn
    assert [m.action for m in take(engine, now).messages] == [Action.WITHDRAW] * withdrawn


@pytest.mark.parametrize("way", ["recall", "read"])
def test_a_withdrawal_never_overtakes_what_it_withdraws(engine, alice, way):
    batch = take(engine, NOW)
    take_back(engine, alice, way, NOW)
    assert pushes(engine, Action.WITHDRAW) == ["pending"]
    assert take(engine, NOW + timedelta(seconds=LEASE - 1)).messages == []
    if way == "recall":
        # Its result is known, so there is nothing to wait for.
        assert put(engine, batch, Sent(), NOW) == 1
        [withdrawal] = take(engine, NOW).messages
    else:
        [withdrawal] = take(engine, NOW + timedelta(seconds=LEASE)).messages
    assert withdrawal.action is Action.WITHDRAW


def test_the_result_of_a_withdrawal_is_no_reason_to_hurry(engine, alice):
    put(engine, take(engine, NOW), Sent(), NOW)
    take_back(engine, alice, "recall", NOW)
    put(engine, take(engine, NOW), DOWN, NOW)
    assert take(engine, NOW + timedelta(seconds=9)).messages == []
    assert len(take(engine, NOW + timedelta(seconds=10)).messages) == 1
