from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from models.addresses.queries import disable_addresses
from models.addresses.tables import addresses
from models.deliveries import dead_letters as dead
from models.deliveries.acknowledge import acknowledge
from models.deliveries.claim import claim
from models.deliveries.fair_share import MAX_TENANTS
from models.deliveries.lifecycle import (
    Deferred,
    Failure,
    Outcome,
    RetryLater,
    Sent,
    State,
    Transition,
    next_transition,
)
from models.deliveries.message import Batch
from models.deliveries.record import MAX_KEPT, correct, record
from models.deliveries.status import failed_attempts
from models.deliveries.tables import deliveries
from models.inbox import changes as inbox_change
from models.notifications.recall import recall
from models.retry import RetryPolicy
from models.sql.engine import read, write
from models.tenants.queries import MAX_WEIGHT, set_weight
from tests.factories import NOW, accept_one, create_tenant, create_users, expand_all, fail_to_publish

POLICY = RetryPolicy(base=10, cap=100, max_attempts=3)
LEASE = 60.0


@pytest.fixture
def alice(engine):
    create_tenant(engine)
    create_users(engine, ["alice"], email=True, device=True)
    n = accept_one(engine)
    fail_to_publish(engine, expand_all(engine, n))
    return n


def take(engine, channel="email", limit=10, now=NOW) -> Batch:
    with write(engine) as connection:
        return claim(connection, channel, POLICY, limit, LEASE, now)


def put(engine, batch: Batch, outcome: Outcome, now=NOW) -> int:
    results = [
        (
            c.delivery_id,
            next_transition(
                outcome,
                attempts=c.attempt,
                failed=c.failed,
                policy=POLICY,
                now=now,
                expires_at=c.content.expires_at,
                rng=lambda: 1.0,
            ),
        )
        for c in batch.messages
    ]
    with write(engine) as connection:
        return record(connection, batch.lease, results, now)


def delivery(engine, channel="email"):
    with read(engine) as connection:
        return connection.execute(select(deliveries).where(deliveries.c.channel == channel)).one()


def test_a_claim_carries_all_that_is_needed_to_send(engine, alice):
    [c] = take(engine, "push").messages
    assert (c.user, c.address, c.address_kind, c.attempt, c.action) == ("alice", "alice-phone", "token", 1, "show")
    assert (c.content.notification_id, c.content.title, c.content.data) == (str(alice), "Hello", {"n": 1})
    [room] = take(engine, "in_app").messages
    assert (room.address, room.seq, room.attempt, room.failed) == ("user:alice", 1, 1, 1)


def test_what_is_taken_is_not_taken_again_until_the_lease_ends(engine, alice):
    assert len(take(engine).messages) == 1
    assert take(engine, now=NOW + timedelta(seconds=LEASE - 1)).messages == []
    [again] = take(engine, now=NOW + timedelta(seconds=LEASE + 1)).messages
    assert again.attempt == 2


def test_a_worker_that_outlived_its_lease_writes_nothing(engine, alice):
    late = take(engine)
    fresh = take(engine, now=NOW + timedelta(seconds=LEASE + 1))
    assert put(engine, late, Sent("late")) == 0
    assert delivery(engine).state == "sending"
    assert put(engine, fresh, Sent("fresh")) == 1
    assert put(engine, late, RetryLater("late")) == 0
    row = delivery(engine)
    assert (row.state, row.provider_id, row.due_at, row.lease) == ("sent", "fresh", None, None)
    assert row.sent_at == NOW


def test_a_retry_is_due_when_the_policy_says_and_leaves_a_trace(engine, alice):
    put(engine, take(engine), RetryLater("451 later"))
    row = delivery(engine)
    assert (row.state, row.due_at, row.reason) == ("pending", NOW + timedelta(seconds=10), "451 later")
    assert take(engine, now=NOW + timedelta(seconds=9)).messages == []
    put(engine, take(engine, now=NOW + timedelta(seconds=10)), RetryLater("451 again"))
    with read(engine) as connection:
        [trace] = failed_attempts(connection, [row.id]).values()
    assert [(a.number, a.failure, a.reason) for a in trace] == [
        (1, "provider_down", "451 later"),
        (2, "provider_down", "451 again"),
    ]


def trace(engine):
    with read(engine) as connection:
        return failed_attempts(connection, [delivery(engine).id])[delivery(engine).id]


def test_an_outage_leaves_the_first_failures_and_the_last(engine, alice):
    now = NOW
    for number in range(1, MAX_KEPT + 31):
        [message] = (batch := take(engine, now=now)).messages
        assert (message.attempt, message.failed) == (1, number - 1)
        put(engine, batch, RetryLater(f"503 of {number}"), now)
        assert delivery(engine).due_at == now + timedelta(seconds=min(10 * 2 ** (number - 1), 100))
        now = delivery(engine).due_at
    found = trace(engine)
    assert [a.number for a in found] == [*range(1, MAX_KEPT), MAX_KEPT + 30]
    assert (found[-1].reason, found[-1].failure) == (f"503 of {MAX_KEPT + 30}", "provider_down")
    put(engine, take(engine, now=now), Sent("p"), now)
    assert (delivery(engine).state, delivery(engine).attempts, delivery(engine).failure) == ("sent", 1, None)


def test_what_is_deferred_keeps_its_last_failure_and_its_back_off(engine, alice):
    put(engine, take(engine), RetryLater("503"))
    put(engine, take(engine, now=NOW + timedelta(seconds=10)), Deferred(1), NOW + timedelta(seconds=10))
    row = delivery(engine)
    assert (row.state, row.failure, row.reason) == ("pending", "provider_down", "503")
    [message] = take(engine, now=NOW + timedelta(seconds=11)).messages
    assert message.failed == 1


def test_a_redriven_delivery_starts_with_a_full_set_of_attempts_and_the_shortest_back_off(engine, alice):
    now = NOW
    for _ in range(3):
        put(engine, take(engine, now=now), RetryLater("a bug", Failure.UNCLASSIFIED), now)
        now += timedelta(seconds=100)
    assert delivery(engine).state == "dead"
    with write(engine) as connection:
        assert dead.redrive(connection, dead.DeadFilter(), now) == 1
    batch = take(engine, now=now)
    assert [(m.attempt, m.failed) for m in batch.messages] == [(1, 0)]
    put(engine, batch, RetryLater("503"), now)
    assert delivery(engine).due_at == now + timedelta(seconds=10)
    assert [a.number for a in trace(engine)] == [1, 2, 3, 1]


def test_a_delivery_that_kills_its_workers_runs_out_of_attempts(engine, alice):
    now = NOW
    for _ in range(3):
        assert len(take(engine, now=now).messages) == 1
        now += timedelta(seconds=LEASE + 1)
    last = take(engine, now=now)
    assert (last.messages, len(last.settled)) == ([], 1)
    row = delivery(engine)
    assert (row.state, row.failure, row.attempts, row.due_at) == ("dead", "worker_lost", 3, None)


def test_what_has_expired_is_not_sent(engine, alice):
    batch = take(engine, now=NOW + timedelta(days=2))
    assert (batch.messages, len(batch.settled)) == ([], 1)
    assert (delivery(engine).state, delivery(engine).attempts) == ("expired", 0)


def test_what_was_recalled_is_not_sent(engine, alice):
    with write(engine) as connection:
        recall(connection, "acme", alice, NOW)
    assert take(engine).messages == []
    assert delivery(engine).state == "cancelled"


@pytest.mark.parametrize(
    "operation",
    [inbox_change.READ, inbox_change.ARCHIVE, inbox_change.DELETE],
)
def test_a_dead_letter_that_was_dealt_with_is_not_sent_again(engine, alice, operation):
    batch = take(engine)
    dead_letter = Transition(State.DEAD, 1, failure=Failure.PROVIDER_DOWN, reason="it is dead")
    with write(engine) as connection:
        record(connection, batch.lease, [(m.delivery_id, dead_letter) for m in batch.messages], NOW)
        inbox_change.change_items(connection, "acme", "alice", operation, [alice], NOW)
        assert dead.redrive(connection, dead.DeadFilter("acme"), NOW) == 0
        assert dead.count_hopeless(connection, dead.DeadFilter("acme"), NOW) == {"handled": 1}
    assert take(engine).messages == []
    assert delivery(engine).state == "dead"


@pytest.mark.parametrize(
    ("change", "reason"),
    [("disabled", "the address is disabled: 550 no such user"), ("removed", "the address was removed")],
)
def test_an_address_that_went_meanwhile_is_not_used(engine, alice, change, reason):
    with write(engine) as connection:
        mailbox = addresses.c.channel == "email"
        if change == "removed":
            connection.execute(addresses.delete().where(mailbox))
        else:
            off = {"disabled_at": NOW, "disabled_reason": "550 no such user"}
            connection.execute(addresses.update().where(mailbox).values(off))
    assert take(engine).messages == []
    row = delivery(engine)
    assert (row.state, row.failure, row.reason) == ("suppressed", "policy", reason)


def test_an_acknowledgement_is_final(engine, alice):
    batch = take(engine, "in_app")
    with write(engine) as connection:
        assert acknowledge(connection, "acme", "alice", NOW, ids=[alice]) == [alice]
        assert acknowledge(connection, "acme", "alice", NOW, ids=[alice]) == []
    assert put(engine, batch, Sent()) == 0
    row = delivery(engine, "in_app")
    assert (row.state, row.acked_at, row.due_at) == ("acked", NOW, None)


def test_nobody_acknowledges_for_another(engine, alice):
    create_users(engine, ["bob"])
    create_tenant(engine, "umbrella")
    create_users(engine, ["alice"], tenant="umbrella")
    with write(engine) as connection:
        assert acknowledge(connection, "acme", "bob", NOW, ids=[alice], up_to_seq=100) == []
        assert acknowledge(connection, "umbrella", "alice", NOW, ids=[alice], up_to_seq=100) == []
        assert acknowledge(connection, "acme", "alice", NOW) == []
        assert acknowledge(connection, "acme", "alice", NOW, up_to_seq=1) == [alice]


def test_urgent_lanes_come_first(engine):
    create_tenant(engine)
    create_users(engine, ["alice"], email=True)
    for priority in ("bulk", "normal", "critical", "low", "high"):
        expand_all(engine, accept_one(engine, priority=priority))
    order = [take(engine, limit=1).messages[0].content.priority for _ in range(5)]
    assert order == ["critical", "high", "normal", "low", "bulk"]


def fill(engine, tenant: str, number: int, priority: str = "normal", weight: int = 1) -> None:
    create_tenant(engine, tenant)
    with write(engine) as connection:
        set_weight(connection, tenant, weight)
    create_users(engine, [f"{tenant}-{i}" for i in range(number)], tenant=tenant, email=True)
    named = {"tenant_id": tenant, "audience": {"tenant": True}, "channels": ["email"]}
    expand_all(engine, accept_one(engine, priority=priority, **named))


def tenants(batch: Batch) -> dict[str, int]:
    return dict(Counter(one.content.tenant for one in batch.messages))


def test_a_tenant_with_much_to_send_leaves_the_others_their_turn(engine):
    fill(engine, "huge", 60)
    fill(engine, "small", 3)
    fill(engine, "tiny", 1)
    assert tenants(take(engine, limit=20)) == {"huge": 16, "small": 3, "tiny": 1}
    assert tenants(take(engine, limit=100)) == {"huge": 44}


def test_tenants_with_much_to_send_share_equally(engine):
    fill(engine, "one", 40)
    fill(engine, "other", 40)
    assert tenants(take(engine, limit=20)) == {"one": 10, "other": 10}


def test_tenants_with_much_to_send_share_by_their_weights(engine):
    fill(engine, "one", 40)
    fill(engine, "other", 40, weight=3)
    assert tenants(take(engine, limit=20)) == {"one": 5, "other": 15}
    assert tenants(take(engine, limit=40)) == {"one": 15, "other": 25}


def test_beside_a_heavy_tenant_everyone_gets_one(engine):
    fill(engine, "heavy", 60, weight=MAX_WEIGHT)
    for i in range(MAX_TENANTS - 1):
        fill(engine, f"light{i:02}", 2)
    # Fewer than two for each of those who wait.
    batch = tenants(take(engine, limit=MAX_TENANTS + 4))
    assert batch == {"heavy": 5} | {f"light{i:02}": 1 for i in range(MAX_TENANTS - 1)}


def test_what_is_critical_comes_before_a_crowd_that_was_there_first(engine):
    fill(engine, "huge", 60)
    take(engine, limit=20)
    fill(engine, "small", 1, "critical")
    batch = take(engine, limit=20)
    assert tenants(batch) == {"small": 1, "huge": 19}


def test_of_very_many_tenants_each_batch_serves_others(engine):
    for i in range(MAX_TENANTS + 4):
        fill(engine, f"t{i:02}", 2)
    served: set[str] = set()
    for spin in (0.0, 0.5):
        with write(engine) as connection:
            served |= set(tenants(claim(connection, "email", POLICY, MAX_TENANTS, LEASE, NOW, spin)))
    assert len(served) == MAX_TENANTS + 4


def test_many_workers_never_take_the_same_delivery(engine):
    create_tenant(engine)
    create_users(engine, [f"u{i}" for i in range(60)], email=True)
    expand_all(engine, accept_one(engine, audience={"tenant": True}))

    def work(_: int) -> list[int]:
        taken: list[int] = []
        while batch := take(engine, limit=7).messages:
            taken += [c.delivery_id for c in batch]
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [i for ids in pool.map(work, range(4)) for i in ids]
    assert len(taken) == len(set(taken)) == 60


def test_results_that_are_written_twice_leave_one_trace(engine, alice):
    """A worker does not know of a commit whose answer it did not get."""
    batch = take(engine)
    assert put(engine, batch, RetryLater("timeout")) == 1
    assert put(engine, batch, RetryLater("timeout")) == 0
    with read(engine) as connection:
        [traces] = failed_attempts(connection, [batch.messages[0].delivery_id]).values()
    assert [trace.number for trace in traces] == [1]


def test_results_of_every_kind_are_written_in_one_go(engine):
    create_tenant(engine)
    create_users(engine, [f"u{i}" for i in range(4)], email=True)
    expand_all(engine, accept_one(engine, audience={"tenant": True}))
    batch = take(engine)
    results = [
        Transition(State.SENT, 1, provider_id="p"),
        Transition(State.PENDING, 1, NOW + timedelta(seconds=5), Failure.QUOTA, "é\n" * 400),
        Transition(State.DEAD, 1, failure=Failure.BAD_REQUEST, reason="bad"),
        Transition(State.SUPPRESSED, 0, failure=Failure.POLICY, reason="off"),
    ]
    with write(engine) as connection:
        assert (
            record(
                connection, batch.lease, [(c.delivery_id, r) for c, r in zip(batch.messages, results, strict=True)], NOW
            )
            == 4
        )
        assert record(connection, uuid4(), [(batch.messages[0].delivery_id, results[2])], NOW) == 0
        assert record(connection, batch.lease, [], NOW) == 0
    with read(engine) as connection:
        states = connection.execute(
            select(deliveries.c.state, deliveries.c.due_at)
            .where(deliveries.c.channel == "email")
            .order_by(deliveries.c.id)
        ).all()
    assert [tuple(s) for s in states] == [
        ("sent", None),
        ("pending", NOW + timedelta(seconds=5)),
        ("dead", None),
        ("suppressed", None),
    ]


def test_without_a_lease_only_what_is_recorded_as_sent_is_written(engine):
    create_tenant(engine)
    names = ["sent", "pending", "sending", "acked", "dead"]
    users = create_users(engine, names)
    [page] = expand_all(engine, accept_one(engine, audience={"users": [{"id": name} for name in names]}))
    with write(engine) as connection:
        for name in names:
            connection.execute(deliveries.update().where(deliveries.c.user_id == users[name]).values(state=name))
    again = Transition(State.PENDING, 1, NOW + timedelta(seconds=5), Failure.PROVIDER_DOWN, "redis: ConnectionError")
    with write(engine) as connection:
        assert correct(connection, [(m.delivery_id, again) for m in page.in_app.messages], NOW) == 1
    with read(engine) as connection:
        rows = {row.user_id: row for row in connection.execute(select(deliveries))}
    assert [rows[users[name]].state for name in names] == ["pending", "pending", "sending", "acked", "dead"]
    written = rows[users["sent"]]
    assert (written.attempts, written.due_at, written.reason) == (1, again.due_at, again.reason)
    assert [rows[users[name]].due_at for name in names[1:]] == [None] * 4


def test_a_device_seen_again_since_the_send_is_not_disabled(engine, alice):
    with write(engine) as connection:
        [address] = connection.execute(select(addresses.c.id).where(addresses.c.channel == "push")).scalars()
        connection.execute(addresses.update().values(last_seen_at=NOW + timedelta(seconds=5)))
        disable_addresses(connection, {address: "gone"}, NOW, NOW + timedelta(seconds=9))
        assert connection.execute(select(addresses.c.disabled_at)).scalars().all() == [None, None]
        disable_addresses(connection, {address: "gone"}, NOW + timedelta(seconds=6), NOW + timedelta(seconds=9))
        gone = connection.execute(select(addresses.c.disabled_reason).where(addresses.c.id == address)).scalar_one()
    assert gone == "gone"
