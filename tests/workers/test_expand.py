from __future__ import annotations

import queue
import random
import threading
from collections import Counter
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
import redis
from sqlalchemy import select

from bus.counters import Counters
from bus.publisher import Publisher
from channels.in_app import InAppChannel
from models.deliveries.acknowledge import acknowledge
from models.deliveries.expand import read_page, write_page
from models.deliveries.lifecycle import RetryLater, Sent
from models.deliveries.status import failed_attempts
from models.deliveries.tables import deliveries
from models.events.tables import events
from models.notifications.recall import recall
from models.notifications.tables import notifications
from models.sql.engine import read, write
from tests.factories import NOW, accept_one, bus_secret, create_users, free_port
from workers.deliver import deliver
from workers.expand import expand_and_ring


def in_app(engine, *columns):
    """These columns of the in-app deliveries, in the order in which they were written."""
    with read(engine) as connection:
        query = select(*columns or (deliveries.c.state,)).where(deliveries.c.channel == "in_app")
        rows = connection.execute(query.order_by(deliveries.c.id)).all()
    return [tuple(row) if columns else row[0] for row in rows]


@pytest.fixture
def screens(run):
    """The channel of the open pages."""
    return run.channels["live"]["in_app"]


def test_a_page_rings_for_its_channels_and_for_the_next_page(run, engine, bells, screens, monkeypatch):
    create_users(engine, ["a", "b", "c"], email=True)
    create_users(engine, ["d"], device=True)
    n = accept_one(engine, audience={"tenant": True})
    monkeypatch.setattr("workers.expand.read_page", partial(read_page, size=2))
    # All that anybody else can do is rung for before this worker publishes.
    rung = []
    screens.before = lambda _: rung.append(list(bells))
    expand_and_ring(run, n)
    assert bells == rung.pop() == [("expand", [f"{n}:2:1"]), ("deliver email", [])]
    assert [m.user for m in screens.sent] == ["a", "b"]
    bells.clear()
    expand_and_ring(run, n)
    assert bells == rung.pop() == [("expand", [f"{n}:4:1"]), ("deliver email", []), ("deliver push", [])]
    bells.clear()
    expand_and_ring(run, n)
    assert (bells, rung) == ([], [])
    assert [m.user for m in screens.sent] == ["a", "b", "c", "d"]


def test_a_bell_for_nothing_is_silent(run, bells):
    expand_and_ring(run, uuid4())
    assert bells == []


def test_a_page_is_published_after_the_commit_that_records_it_as_sent(run, engine, bells, clock, screens):
    create_users(engine, ["alice"])
    found = []

    def look(batch):
        with read(engine) as connection:
            logged = connection.execute(select(events.c.notification_id, events.c.seq)).all()
        found.append((in_app(engine), logged))
        clock.advance(5)

    screens.before = look
    n = accept_one(engine)
    expand_and_ring(run, n)
    assert found == [(["sent"], [(n, 1)])]
    [message] = screens.sent
    assert (message.user, message.seq, message.attempt) == ("alice", 1, 1)
    assert message.content.notification_id == str(n)
    # Publishing wrote nothing, and nothing is left to do.
    columns = ("state", "attempts", "sent_at", "due_at", "failure", "reason")
    assert in_app(engine, *(deliveries.c[name] for name in columns)) == [("sent", 1, NOW, None, None, None)]
    assert deliver(run, "in_app")
    assert len(screens.sent) == 1


def test_what_could_not_be_published_is_sent_by_a_claim_when_it_is_due(run, engine, bells, clock, screens):
    create_users(engine, ["u0", "u1", "u2"])
    screens.script = [Sent(), RetryLater("redis: ConnectionError"), Sent()]
    expand_and_ring(run, accept_one(engine, audience={"tenant": True}))
    columns = ("state", "attempts", "due_at", "failure", "sent_at")
    rows = in_app(engine, *(deliveries.c[name] for name in columns))
    assert rows[0] == rows[2] == ("sent", 1, None, None, NOW)
    assert rows[1] == ("pending", 0, NOW + timedelta(seconds=1), "provider_down", None)
    with read(engine) as connection:
        [traces] = failed_attempts(connection, in_app_ids(engine)).values()
    assert [(trace.number, trace.reason) for trace in traces] == [(1, "redis: ConnectionError")]
    deliver(run, "in_app")
    assert len(screens.sent) == 3
    clock.advance(1)
    deliver(run, "in_app")
    assert [(m.user, m.failed, m.seq) for m in screens.sent[3:]] == [("u1", 1, 1)]
    assert in_app(engine) == ["sent"] * 3


def in_app_ids(engine):
    return [row[0] for row in in_app(engine, deliveries.c.id)]


def test_while_redis_is_away_pages_wait_in_the_ledger(run, engine, bells, clock, screens):
    create_users(engine, ["alice", "bob"])
    writer = Publisher(f"redis://127.0.0.1:{free_port()}/0", "carillon", bus_secret)
    with closing(InAppChannel(writer)) as cut_off:
        run.channels["live"]["in_app"] = cut_off
        expand_and_ring(run, accept_one(engine, audience={"tenant": True}))
        assert in_app(engine, deliveries.c.state, deliveries.c.reason) == [("pending", "redis: ConnectionError")] * 2
        clock.advance(1)
        deliver(run, "in_app")
        assert in_app(engine, deliveries.c.state, deliveries.c.attempts) == [("pending", 0)] * 2
    run.channels["live"]["in_app"] = screens
    clock.advance(2)
    deliver(run, "in_app")
    assert in_app(engine, deliveries.c.state, deliveries.c.attempts) == [("sent", 1)] * 2
    assert [m.user for m in screens.sent] == ["alice", "bob"]


def test_a_channel_that_breaks_while_a_page_is_published_is_a_retry(run, engine, bells, screens):
    create_users(engine, ["alice"])
    screens.error = ZeroDivisionError("alice")
    expand_and_ring(run, accept_one(engine))
    assert in_app(engine, deliveries.c.state, deliveries.c.reason) == [("pending", "unclassified: ZeroDivisionError")]


def test_what_is_acknowledged_before_the_failure_is_known_stays_so(run, engine, bells, clock, screens):
    create_users(engine, ["u0", "u1"])
    n = accept_one(engine, audience={"tenant": True})

    def acknowledge_now(_messages):
        with write(engine) as connection:
            assert acknowledge(connection, "acme", "u0", NOW, ids=[n]) == [n]

    screens.before = acknowledge_now
    screens.script = [RetryLater("redis: TimeoutError")] * 2
    expand_and_ring(run, n)
    assert in_app(engine, deliveries.c.state, deliveries.c.due_at) == [
        ("acked", None),
        ("pending", NOW + timedelta(seconds=1)),
    ]


def test_what_is_recalled_before_it_could_be_published_is_not_shown_late(run, engine, bells, clock, screens):
    create_users(engine, ["alice"])
    screens.script = [RetryLater("redis: TimeoutError")]
    n = accept_one(engine)
    expand_and_ring(run, n)
    with write(engine) as connection:
        recall(connection, "acme", n, clock())
    expand_and_ring(run, n)
    clock.advance(2)
    screens.sent.clear()
    deliver(run, "in_app")
    # The number of the withdrawal; its event says what it takes back.
    assert [(m.action, m.seq) for m in screens.sent] == [("withdraw", 2)]
    assert in_app(engine) == ["cancelled", "sent"]


def test_what_has_expired_before_its_page_is_not_published(run, engine, bells, screens):
    create_users(engine, ["alice"])
    expand_and_ring(run, accept_one(engine, expires_at=NOW))
    assert in_app(engine) == ["pending"]
    assert bells == [("deliver in_app", [])]
    deliver(run, "in_app")
    assert in_app(engine) == ["expired"]
    assert screens.sent == []


def test_a_test_key_s_notification_is_claimed_for_the_lab(run, engine, bells, screens):
    create_users(engine, ["alice"])
    expand_and_ring(run, accept_one(engine, mode="test"))
    assert run.channels["test"]["in_app"].sent == []
    assert bells == [("deliver in_app", [])]
    deliver(run, "in_app")
    assert len(run.channels["test"]["in_app"].sent) == 1
    assert (in_app(engine), screens.sent) == (["sent"], [])


def test_what_goes_out_with_its_page_is_counted(run, engine, bells, screens, redis_server):
    create_users(engine, ["u0", "u1", "u2"])
    screens.script = [RetryLater("redis: TimeoutError")]
    with closing(Counters(redis_server, "test")) as rates:
        expand_and_ring(replace(run, counters=rates), accept_one(engine, audience={"tenant": True}))
    with redis.Redis.from_url(redis_server, decode_responses=True) as client:
        slots = [client.hgetall(key) for key in client.keys("test:rates:*")]
    # What is counted at the turn of a slot is in two.
    counted: Counter[str] = Counter()
    for slot in slots:
        counted.update({name: int(value) for name, value in slot.items()})
    by_outcome = {"deliveries:in_app:sent:none": 2, "deliveries:in_app:pending:provider_down": 1}
    assert counted == {"sent:in_app": 2, **by_outcome}


@pytest.mark.slow
def test_workers_that_fail_at_random_write_every_page_once(run, engine, monkeypatch):
    create_users(engine, [f"u{i:02}" for i in range(40)])
    n = accept_one(engine, audience={"tenant": True}, channels=["in_app"])
    dice = random.Random(0)
    bells: queue.Queue[tuple[object, ...]] = queue.Queue()

    def page(*given):
        written = write_page(*given)
        if dice.random() < 0.2:
            raise ZeroDivisionError
        return written

    def work():
        with suppress(queue.Empty):
            while True:
                notification_id, *place = bells.get(timeout=0.3)
                with suppress(ZeroDivisionError):
                    expand_and_ring(run, notification_id, *place)

    monkeypatch.setattr("workers.expand.read_page", partial(read_page, size=2))
    monkeypatch.setattr("workers.expand.write_page", page)
    monkeypatch.setattr(
        run.bells, "expand", lambda notification_id, _lane, *place: bells.put((notification_id, *place)) or True
    )
    finished = select(notifications.c.recipients).where(notifications.c.state == "expanded")
    for _ in range(50):
        # What the relay does.
        bells.put((n,))
        workers = [threading.Thread(target=work) for _ in range(4)]
        for one in workers:
            one.start()
        for one in workers:
            one.join()
        with read(engine) as connection:
            if (recipients := connection.execute(finished).scalar()) is not None:
                break
    assert recipients == 40
    assert in_app(engine, deliveries.c.seq) == [(1,)] * 40
