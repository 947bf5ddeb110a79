"""Clocks that are wrong, or are set while the workers run: nothing waits for it, and nothing is sent twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import func, insert, select

from models.channels import CHANNELS
from models.deliveries.claim import claim
from models.deliveries.lifecycle import RetryLater
from models.deliveries.tables import deliveries
from models.events.publishing import stage
from models.events.tables import outbox, staged_events
from models.notifications.tables import notifications
from models.outbox.tables import carillon_outbox
from models.rooms.tables import rooms
from models.sql.clock import Clock
from models.sql.engine import read, server_time, write
from tests.clocks import Clocks
from tests.factories import accept_one, create_users, expand_all
from workers import runtime
from workers.deliver import deliver, deliver_batch
from workers.publish import LEASE
from workers.relay import Relay
from workers.runtime import Runtime

HOUR = 3600.0
BOTH_WAYS = pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["forward", "back"])


def tick(run):
    relay = Relay(run)
    relay.tick()
    relay.wait()


@pytest.fixture
def run(run: Runtime, clocks: Clocks) -> Runtime:
    """The runtime of these tests, with the clock that a worker has."""
    return with_a_clock(run)


def with_a_clock(run: Runtime) -> Runtime:
    clock = Clock(run.engine)
    return replace(run, now=clock, leases_now=partial(clock.for_leases, run.lease))


def mail(run: Runtime, *users: str) -> None:
    """A mail to each of these users is due."""
    create_users(run.engine, users, email=True, now=run.now())
    audience = {"users": [{"id": user} for user in users]}
    one = accept_one(
        run.engine, run.now(), channels=["email"], audience=audience, expires_at=run.now() + timedelta(days=1)
    )
    expand_all(run.engine, one, run.now())


def due_in(run: Runtime, table=deliveries) -> list[float]:
    """Seconds until the rows are due."""
    with read(run.engine) as connection:
        moments = connection.execute(select(table.c.due_at).order_by(table.c.due_at)).scalars().all()
    now = run.now()
    return [(moment - now).total_seconds() for moment in moments if moment is not None]


def told(caplog: pytest.LogCaptureFixture, message: str) -> list[float]:
    return [record.seconds for record in caplog.records if record.message == message]


@pytest.mark.slow
@BOTH_WAYS
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_worker_on_a_machine_that_is_an_hour_off_goes_by_the_database(settings, run, clocks, engine, seconds):
    clocks.set_machine(seconds)
    built = runtime.build(settings)
    worker = replace(built, channels=run.channels, bells=run.bells)
    mail(worker, "alice")
    run.channels["live"]["email"].script = [RetryLater("451")]
    deliver(worker, "email")
    with read(engine) as connection:
        now = server_time(connection)
        [row] = connection.execute(select(deliveries.c.due_at, deliveries.c.created_at)).all()
    assert now is not None
    assert 0 < (row.due_at - now).total_seconds() <= CHANNELS["email"].policy.base
    assert abs((now - row.created_at).total_seconds()) < 30
    built.close()


@pytest.mark.slow
@BOTH_WAYS
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_machine_whose_clock_is_set_takes_no_lease_and_leaves_nothing(run, clocks, caplog, seconds):
    mail(run, "alice")
    with write(run.engine) as connection:
        claim(connection, "email", CHANNELS["email"].policy, 10, run.lease, run.now())
    mail(run, "bob")
    clocks.set_machine(seconds)
    deliver(run, "email")
    assert [m.user for m in run.channels["live"]["email"].sent] == ["bob"]
    clocks.pass_(run.lease + 1)
    deliver(run, "email")
    assert [m.user for m in run.channels["live"]["email"].sent] == ["bob", "alice"]
    assert told(caplog, "clock set") == [seconds]


def test_after_the_clock_was_set_back_nothing_waits_for_that_hour(run, clocks, engine, caplog):
    mail(run, "alice", "bob", "carol")
    email = run.channels["live"]["email"]
    email.script = [RetryLater("451", after=10), RetryLater("451", after=40)]
    with write(engine) as connection:
        # Its worker is lost.
        claim(connection, "email", CHANNELS["email"].policy, 1, run.lease, run.now())
    deliver(run, "email")
    before = due_in(run)
    # A bell that was lost, an event that could not be published, a burst of events, a row that could not be taken in.
    accept_one(engine, run.now(), expires_at=run.now() + timedelta(days=1))
    now = run.now()
    with write(engine) as connection:
        room = connection.execute(select(rooms.c.id).limit(1)).scalar_one()
        connection.execute(insert(outbox).values(room_id=room, seq=1, due_at=now + LEASE))
        stage(connection, rooms.c.id == room, "x", "k", {}, now + timedelta(seconds=1), now + timedelta(days=1))
        row = {"tenant_id": "acme", "kind": "event", "body": {}, "due_at": now + timedelta(minutes=4)}
        connection.execute(insert(carillon_outbox).values(row))
    tick(run)
    clocks.set(-HOUR)
    assert min(due_in(run)) > HOUR - 30
    tick(run)
    # As before, and not all at once.
    assert due_in(run) == pytest.approx(before, abs=30)
    after = due_in(run)
    assert max(after) - min(after) == pytest.approx(max(before) - min(before), abs=1)
    for table, longest in ((notifications, 10), (outbox, 30), (staged_events, 10), (carillon_outbox, 250)):
        assert max(due_in(run, table)) < longest
    tick(run)
    assert told(caplog, "clock set back") == [pytest.approx(HOUR, abs=30)]
    assert told(caplog, "clock set") == [-HOUR]


def test_what_waits_for_long_by_right_does_so_after_the_clock_was_set_back_a_little(run, clocks, engine):
    mail(run, "alice")
    run.channels["live"]["email"].script = [RetryLater("451", after=1000)]
    deliver(run, "email")
    tick(run)
    clocks.set(-5)
    tick(run)
    assert due_in(run)[0] > 1000


def test_more_than_fits_into_a_transaction_is_brought_forward_in_several(run, clocks, engine, monkeypatch):
    monkeypatch.setattr("models.set_back.LIMIT", 2)
    mail(run, *(f"u{number}" for number in range(5)))
    run.channels["live"]["email"].script = [RetryLater("451")] * 5
    deliver(run, "email")
    tick(run)
    clocks.set(-2 * HOUR)
    for _ in range(3):
        assert max(due_in(run)) > HOUR
        tick(run)
    assert max(due_in(run)) < HOUR


def test_after_the_clock_was_put_forward_what_is_being_sent_is_not_sent_again(run, clocks, engine, caplog):
    mail(run, "alice")
    email = run.channels["live"]["email"]
    other = with_a_clock(run)
    other.now()
    claimed = []

    def sending(_batch):
        email.before = lambda _: None
        clocks.set(HOUR)
        claimed.extend(deliver_batch(process, "email") for process in (run, other))

    email.before = sending
    deliver(run, "email")
    assert claimed == [0, 0]
    assert [m.user for m in email.sent] == ["alice"]
    with read(engine) as connection:
        assert connection.execute(select(deliveries.c.state)).scalars().all() == ["sent"]
    assert told(caplog, "clock set") == [HOUR, HOUR]


def test_after_the_clock_was_put_forward_a_lost_lease_ends_when_it_would_have(run, clocks, engine):
    mail(run, "alice")
    with write(engine) as connection:
        claim(connection, "email", CHANNELS["email"].policy, 10, run.lease, run.now())
    clocks.set(HOUR)
    assert not deliver_batch(run, "email")
    clocks.pass_(run.lease / 2)
    assert not deliver_batch(run, "email")
    clocks.pass_(run.lease / 2 + 1)
    assert deliver_batch(run, "email") == 1
    with read(engine) as connection:
        assert connection.scalar(select(func.count()).where(deliveries.c.state == "sent")) == 1
