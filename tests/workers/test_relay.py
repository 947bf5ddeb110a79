from __future__ import annotations

import threading
from contextlib import closing

import pytest
import redis
from sqlalchemy import text

from bus.counters import Counters
from models.deliveries.claim import claim
from models.deliveries.expand import read_page
from models.deliveries.expand_small import write_small
from models.deliveries.lifecycle import RetryLater
from models.retry import RetryPolicy
from models.sql.engine import write
from tests.factories import accept_one, create_users, expand_all, fail_to_publish
from tests.waiting import eventually
from workers import relay
from workers.deliver import deliver
from workers.relay import THREADS, Relay, measure


@pytest.fixture
def broker_away(recorder):
    recorder.reachable = False


@pytest.fixture
def tick(run):
    """Look once, and wait for the work that was begun."""
    relay = Relay(run)

    def look():
        relay.tick()
        relay.wait()

    return look


def test_nothing_due_rings_nothing(bells, tick):
    tick()
    assert bells == []


def test_a_lost_bell_of_a_notification_is_rung_again_but_not_every_second(run, engine, bells, clock, tick):
    n = accept_one(engine)
    tick()
    assert bells == []
    clock.advance(3)
    tick()
    clock.advance(1)
    tick()
    assert bells == [("expand", [str(n)])]


def test_due_deliveries_are_rung_for_by_channel(run, engine, bells, clock, tick):
    create_users(engine, ["alice"], email=True)
    pages = expand_all(engine, accept_one(engine))
    tick()
    assert bells == [("deliver email", [])]
    bells.clear()
    fail_to_publish(engine, pages)
    tick()
    assert bells == [("deliver in_app", []), ("deliver email", [])]


def test_a_retry_is_rung_for_when_its_time_has_come(run, engine, bells, clock, tick):
    create_users(engine, ["alice"], email=True)
    expand_all(engine, accept_one(engine, channels=["email"]))
    run.channels["live"]["email"].script = [RetryLater("451")]
    deliver(run, "email")
    tick()
    assert bells == []
    clock.advance(61)
    tick()
    assert bells == [("deliver email", [])]


def test_a_lease_that_ended_is_rung_for(run, engine, bells, clock, tick):
    create_users(engine, ["alice"], email=True)
    expand_all(engine, accept_one(engine, channels=["email"]))
    with write(engine) as connection:
        claim(connection, "email", RetryPolicy(1, 2, 3), 10, 60, clock())
    tick()
    assert bells == []
    clock.advance(61)
    tick()
    assert bells == [("deliver email", [])]


def test_without_a_broker_the_relay_does_the_work(run, engine, broker_away, clock, tick):
    create_users(engine, ["alice"], email=True, device=True)
    accept_one(engine)
    clock.advance(3)
    tick()
    for channel in ("in_app", "push", "email"):
        assert len(run.channels["live"][channel].sent) == 1


def test_the_relay_notes_how_old_the_oldest_work_is(run, engine, redis_server, clock):
    create_users(engine, ["alice"], email=True)
    expand_all(engine, accept_one(engine, channels=["email"]))
    clock.advance(90)
    with closing(Counters(redis_server, "test")) as rates:
        measure(run, rates)
    with redis.Redis.from_url(redis_server, decode_responses=True) as client:
        [key] = client.keys("test:rates:*")
        assert client.hgetall(key) == {
            "level:oldest:in_app": "0.0",
            "level:oldest:push": "0.0",
            "level:oldest:email": "90.0",
        }


def test_what_fails_does_not_keep_the_relay_from_the_rest(run, engine, broker_away, clock, monkeypatch, caplog, tick):
    create_users(engine, ["alice"], email=True, device=True)
    bad, good = accept_one(engine), accept_one(engine)

    def small(connection, ids, now):
        assert bad not in ids, "a bug"
        return write_small(connection, ids, now)

    def page(connection, notification_id, *place, **more):
        assert notification_id != bad, "a bug"
        return read_page(connection, notification_id, *place, **more)

    monkeypatch.setattr("workers.expand.write_small", small)
    monkeypatch.setattr("workers.expand.read_page", page)
    monkeypatch.setattr(run.channels["live"]["push"], "send", None)
    clock.advance(3)
    tick()
    assert [message.content.notification_id for message in run.channels["live"]["email"].sent] == [str(good)]
    assert [r.notification for r in caplog.records if r.getMessage() == "page failed"] == [str(bad)]


def test_a_slow_provider_keeps_nothing_else_waiting_and_takes_a_bounded_number_of_threads(
    run, engine, broker_away, clock
):
    create_users(engine, ["alice"], email=True, device=True)
    begun, answered = [], threading.Event()
    live = run.channels["live"]
    live["email"].before = lambda batch: (begun.append(batch), answered.wait(20))
    relay = Relay(run)
    ids = []
    for number in range(1, THREADS + 3):
        ids.append(str(accept_one(engine, clock())))
        clock.advance(3)
        relay.tick()
        eventually(lambda: [m.content.notification_id for m in live["push"].sent] == ids)
        eventually(lambda number=number: len(begun) == min(number, THREADS))
    answered.set()
    relay.wait()
    # Their budget had run out.
    relay.tick()
    relay.wait()
    assert sorted(m.content.notification_id for m in live["email"].sent) == sorted(ids)


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_server_without_timelines_is_told_and_hinders_nothing(run, engine, bells, clock, tick, caplog, monkeypatch):
    monkeypatch.setattr("models.events.timeline._PRESENT", text("SELECT no_such_function()"))
    n = accept_one(engine)
    clock.advance(3)
    tick()
    assert bells == [("expand", [str(n)])]
    assert [record.error for record in caplog.records if record.message == "timeline unknown"] == ["UndefinedFunction"]


def test_a_new_epoch_is_told(tick, monkeypatch, caplog):
    monkeypatch.setattr(relay, "follow_timeline", lambda _engine: True)
    tick()
    assert [record.levelname for record in caplog.records if "new epoch" in record.message] == ["WARNING"]
