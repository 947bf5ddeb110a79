from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from redis.exceptions import ConnectionError as RedisAway
from sqlalchemy import func, select

from actions.installation import utc_now
from bus.envelope import MAX_BYTES
from bus.publisher import Publisher
from models.catalogue.event_type import Declaration
from models.catalogue.queries import declare
from models.events.emit import emit, emit_to_users
from models.events.tables import outbox
from models.sql.engine import read, write
from tests.conftest import redis_process
from tests.factories import NOW, bus_secret, create_users
from tests.workers.scripted import ScriptedPublisher
from workers import publish as publishing
from workers.publish import publish, publish_batch
from workers.relay import Relay
from workers.runtime import Runtime


def say(engine, n=1, room="tenant:acme", name="stream:data", now=NOW, **data):
    with write(engine) as connection:
        for _ in range(n):
            emit(connection, "acme", room, name, data, now)


def left(engine) -> int:
    with read(engine) as connection:
        return connection.execute(select(func.count()).select_from(outbox)).scalar_one()


def test_what_was_committed_is_published_in_order_and_forgotten(run, engine):
    say(engine, n=3)
    assert publish(run)
    assert run.publisher.heard() == [("acme/tenant:acme", "stream:data", n) for n in (1, 2, 3)]
    assert left(engine) == 0


def test_nothing_due_says_nothing(run):
    assert publish(run)
    assert run.publisher.messages == []


def test_one_event_for_many_users_travels_as_one_group(run, engine):
    with write(engine) as connection:
        emit_to_users(connection, "acme", [f"u{n}" for n in range(300)], "stream:data", {"n": 1}, NOW)
    say(engine)
    publish(run)
    [groups] = run.publisher.messages
    assert [len(g.rooms) for g in groups] == [300, 1]
    assert groups[0].payload["n"] == 1
    assert groups[0].payload["created_at"] == "2026-01-01T12:00:00.000Z"


def test_a_large_batch_travels_in_messages_of_bounded_size(run, engine):
    for n in range(200):
        say(engine, n=1, filling="x" * 8000, number=n)
    publish(run)
    sizes = [sum(len(str(g.payload)) for g in groups) for groups in run.publisher.messages]
    assert len(sizes) > 1
    assert max(sizes) <= MAX_BYTES
    assert [seq for _, _, seq in run.publisher.heard()] == list(range(1, 201))


def test_more_than_a_batch_is_published_in_one_go(run, engine, monkeypatch):
    monkeypatch.setattr(publishing, "BATCH", 3)
    say(engine, n=8)
    assert publish(run)
    assert [len(groups) for groups in run.publisher.messages] == [3, 3, 2]


def test_out_of_time_it_says_so(run, engine):
    say(engine)
    assert not publish(run, budget=0)
    assert publish(run)
    assert len(run.publisher.heard()) == 1


def test_while_redis_is_away_events_stay_due(run, engine, clock):
    say(engine, n=2)
    run.publisher.error = RedisAway("gone")
    assert publish(run)
    run.publisher.error = None
    assert publish(run)
    assert run.publisher.messages == []
    clock.advance(1)
    assert publish(run)
    assert len(run.publisher.heard()) == 2
    assert left(engine) == 0


def test_a_publisher_that_died_leaves_its_events_to_others(run, engine, clock):
    say(engine)
    run.publisher.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        publish(run)
    run.publisher.error = None
    publish(run)
    assert run.publisher.messages == []
    clock.advance(publishing.LEASE.total_seconds())
    publish(run)
    assert len(run.publisher.heard()) == 1


def test_two_publishers_share_the_work(run, engine, monkeypatch):
    monkeypatch.setattr(publishing, "BATCH", 7)
    say(engine, n=100)
    runs = [
        Runtime(engine=engine, channels={}, bells=run.bells, lease=60.0, publisher=ScriptedPublisher(), now=run.now)
        for _ in range(2)
    ]
    threads = [threading.Thread(target=publish, args=(one,)) for one in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seqs = [seq for one in runs for _, _, seq in one.publisher.heard()]
    assert sorted(seqs) == list(range(1, 101))


# Windows


@pytest.fixture
def live(run, engine):
    """The same runtime with a real clock."""
    return Runtime(
        engine=engine, channels=run.channels, bells=run.bells, lease=60.0, publisher=ScriptedPublisher(), now=utc_now
    )


def pond(engine, value, pond_id="p1"):
    data = {"pond_id": pond_id, "field": "oxygen", "value": value}
    say(engine, name="stream:pond_update", now=utc_now(), **data)


def at_work(run) -> threading.Thread:
    """A thread that has begun to publish."""
    thread = threading.Thread(target=publish, args=(run,))
    thread.start()
    while not run.publishing.running and thread.is_alive():
        time.sleep(0.001)
    return thread


def test_a_window_that_ends_in_a_moment_is_waited_for(live, engine):
    began = time.monotonic()
    for value in range(5):
        pond(engine, value)
    assert publish(live)
    assert time.monotonic() - began >= 0.1
    [[group]] = live.publisher.messages
    assert group.payload["value"] == 4


def test_what_comes_during_the_wait_is_published_at_once(live, engine):
    pond(engine, 1)
    waiting = at_work(live)
    say(engine, now=utc_now())
    assert publish(live)
    waiting.join()
    assert [event for _, event, _ in live.publisher.heard()] == ["stream:data", "stream:pond_update"]


def test_a_burst_of_bells_occupies_one_thread(live, engine):
    pond(engine, 1)
    waiting = at_work(live)
    for _ in range(50):
        assert publish(live)
    # They have not waited: the one who does is still at it.
    assert waiting.is_alive()
    waiting.join()
    assert len(live.publisher.heard()) == 1


def test_no_bell_is_lost_between_two_threads(live, engine):
    """Whatever was committed before a bell is published when all who were rung for have returned."""

    def work() -> None:
        for _ in range(10):
            say(engine, now=utc_now())
            publish(live)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seq for _, _, seq in live.publisher.heard()) == list(range(1, 41))
    assert left(engine) == 0


def test_a_later_window_is_left_to_the_relay(run, engine, bells, clock):
    with write(engine) as connection:
        declare(connection, "acme", "slow:one", Declaration(title="T", coalesce={"window_ms": 60_000}), NOW, most=3)
    say(engine, name="slow:one")
    began = time.monotonic()
    assert publish(run)
    assert time.monotonic() - began < 30
    Relay(run).tick()
    assert bells == []
    clock.advance(60)
    Relay(run).tick()
    assert bells == [("publish", [])]


# The relay


def test_the_relay_rings_for_what_is_due(run, engine, bells):
    say(engine)
    Relay(run).tick()
    assert bells == [("publish", [])]


def test_without_a_broker_the_relay_publishes(run, engine, recorder):
    recorder.reachable = False
    say(engine)
    relay = Relay(run)
    relay.tick()
    relay.wait()
    assert len(run.publisher.heard()) == 1


# A real Redis


def test_an_outage_of_redis_costs_time_and_no_event(run, engine):
    create_users(engine, ["alice"])
    with redis_process() as (url, process):
        writer = Publisher(url, "carillon", bus_secret)
        live = Runtime(engine=engine, channels={}, bells=run.bells, lease=60.0, publisher=writer, now=utc_now)
        say(engine, now=utc_now())
        assert publish_batch(live) == 1
        process.kill()
        process.wait()
        say(engine, now=utc_now())
        began = time.monotonic()
        assert publish_batch(live) == 0
        assert time.monotonic() - began < 10
        assert left(engine) == 1
        writer.close()
    with redis_process() as (url, _):
        writer = Publisher(url, "carillon", bus_secret)
        live = Runtime(
            engine=engine,
            channels={},
            bells=run.bells,
            lease=60.0,
            publisher=writer,
            now=lambda: utc_now() + timedelta(seconds=2),
        )
        assert publish_batch(live) == 1
        assert left(engine) == 0
        writer.close()
