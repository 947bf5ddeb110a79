"""Clients that keep no position go on where they were interrupted."""

from __future__ import annotations

import signal
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import redis
from socketio import Server
from sqlalchemy import Engine

from actions.installation import utc_now
from models.polling.queries import acknowledge_events
from models.sql.engine import write
from tests import factories
from tests.public_reports.test_public_reports import REPORTS
from tests.waiting import eventually
from tests.web.realtime.fakes import session
from tests.web.realtime.stack import Client, Stack, Web
from web.dialects import view_of
from web.realtime.gateway.sessions import Session
from web.realtime.replay import bookmarks as module
from web.realtime.replay.bookmarks import Bookmarks
from web.realtime.replay.progress import ResumeRequest

HUB = view_of("/", "hub")
INTERRUPTED = Server.reason.TRANSPORT_CLOSE


def page(sid: str = "a", seq: int = 5, view=HUB) -> Session:
    one = session(sid=sid, view=view)
    one.ready = True
    one.progress.start("epoch", {"user:alice": seq, "tenant:acme": 1})
    return one


# Later than any Redis of these tests was started.
JUST_NOW = datetime.now(UTC) + timedelta(days=1)


def opened(bookmarks: Bookmarks, token: str = "token", issued_at: datetime = JUST_NOW, **other) -> Session:
    one = page(**other)
    bookmarks.open(one, token, issued_at)
    return one


def fresh(one: Session) -> bool:
    return (one.resumed, one.resume) == (False, ResumeRequest())


def told_of_a_loss(one: Session) -> bool:
    return one.resumed and one.resume.lost


@pytest.fixture
def here(redis_server: str) -> Bookmarks:
    return Bookmarks(redis_server, "bookmarks", patience=85)


@pytest.fixture
def there(redis_server: str) -> Bookmarks:
    """Another web process."""
    return Bookmarks(redis_server, "bookmarks", patience=85)


def test_who_is_interrupted_goes_on_there_once(here, there):
    first = opened(here)
    assert fresh(first)
    here.close(first, INTERRUPTED)
    second = opened(there, sid="b", seq=9)
    assert (second.resumed, second.resume.epoch) == (True, "epoch")
    assert second.resume.positions == {"user:alice": 5, "tenant:acme": 1}
    there.turn(time.monotonic())
    third = opened(there, sid="c")
    assert third.resume.positions["user:alice"] == 9, "the other position was given to the second client"


@pytest.mark.parametrize(
    "garbage", ["", "x", "1 2 3", "x 0 5 abc", "1.2.3 0 5 abc", "nan 0 5 x", "9e999 0 5 abc", "7 0 5 abc"]
)
def test_a_position_that_is_none_is_a_loss_and_stops_nobody_else(here, there, redis_server, garbage):
    here.close(opened(here, token="other"), INTERRUPTED)
    here.close(opened(here), INTERRUPTED)
    with redis.Redis.from_url(redis_server, decode_responses=True) as client:
        client.hset(here._key(page(), "token"), mapping={"a": garbage, "z": garbage})
        one = opened(there, sid="b")
        assert fresh(one) or told_of_a_loss(one)
        assert opened(there, token="other", sid="c").resume.positions == {"user:alice": 5, "tenant:acme": 1}
        client.set("bookmarks:position:since", garbage)
        assert told_of_a_loss(opened(there, token="new", sid="d"))


def test_a_process_that_is_killed_has_written_down_where_its_pages_were(here, there):
    for sid, seq in (("a", 5), ("b", 7)):
        opened(here, sid=sid, seq=seq)
    here.turn(time.monotonic())
    # The furthest behind first, so that nobody misses anything.
    again = [opened(there, sid=sid, seq=0) for sid in "cd"]
    assert [one.resume.positions["user:alice"] for one in again] == [5, 7]


def test_a_process_that_is_killed_before_it_has_written_anything_leaves_a_note(here, there):
    opened(here)
    assert told_of_a_loss(opened(there, sid="b"))


def test_a_client_that_is_interrupted_twice_at_once_continues_from_the_same_position(here, there, redis_server: str):
    here.close(opened(here), INTERRUPTED)
    opened(there, sid="b", seq=0)
    # That process is killed as well, before it has written anything.
    assert opened(Bookmarks(redis_server, "bookmarks", patience=85), sid="c").resume.positions["user:alice"] == 5


def test_a_second_tab_does_not_take_the_position_of_the_first(here, there, redis_server: str):
    opened(here)
    here.turn(time.monotonic())
    opened(here, sid="b")
    # The process is killed, and both come back.
    again = [opened(there, sid=sid, seq=9).resume.positions.get("user:alice") for sid in "cd"]
    assert again == [5, 5]


def test_a_position_that_was_given_away_is_forgotten_unless_its_connection_is_open(here, monkeypatch):
    first = opened(here)
    here.turn(time.monotonic())
    monkeypatch.setattr(module, "_GIVEN", -1.0)
    opened(here, sid="b", seq=9)
    here.turn(time.monotonic())
    assert opened(here, sid="c", seq=9).resume.positions["user:alice"] == 9
    first.progress.start("epoch", {"user:alice": 7})
    here.turn(time.monotonic())
    assert opened(here, sid="d").resume.positions["user:alice"] == 7


def test_a_token_that_is_older_than_what_redis_knows_may_belong_to_an_interrupted_client(here, there):
    opened(here)
    here.turn(time.monotonic())
    here._redis.delete(*here._redis.keys("bookmarks:*"))
    assert told_of_a_loss(opened(there, issued_at=datetime.now(UTC) - timedelta(minutes=1)))
    assert fresh(opened(there, "another", issued_at=datetime.now(UTC)))


def test_a_client_with_a_new_token_is_found_by_the_new_one(here, there):
    one = opened(here)
    here.turn(time.monotonic())
    here.renamed(one, "new")
    assert fresh(opened(there, sid="b"))
    assert opened(there, "new", sid="c").resume.positions["user:alice"] == 5


def test_what_is_sent_after_the_last_write_of_a_process_does_not_count(here, there):
    one = opened(here)
    here.stop()
    one.progress.start("epoch", {"user:alice": 9})
    here.turn(time.monotonic())
    here.close(one, INTERRUPTED)
    assert opened(there, sid="b").resume.positions["user:alice"] == 5


def test_what_could_not_be_written_to_the_network_was_not_received(here):
    one = opened(here)
    here.turn(time.monotonic())
    one.socket.wire = SimpleNamespace(broken=True)
    one.progress.start("epoch", {"user:alice": 9})
    here.turn(time.monotonic())
    here.close(one, INTERRUPTED)
    assert opened(here, sid="b").resume.positions["user:alice"] == 5


def test_only_what_changed_is_written_until_it_is_time(here, monkeypatch: pytest.MonkeyPatch):
    written = []
    monkeypatch.setattr(here, "_write", lambda marks: written.append(len(marks)) or Bookmarks._write(here, marks))
    one, _ = opened(here), opened(here, sid="b")
    now = time.monotonic()
    here.turn(now)
    here.turn(now + 1)
    one.progress.start("epoch", {"user:alice": 6})
    here.turn(now + 2)
    here.turn(now + 30)
    assert written == [2, 1, 2]


def test_another_token_namespace_or_installation_is_somebody_else(here, redis_server: str):
    here.close(opened(here), INTERRUPTED)
    assert not opened(here, "another").resumed
    assert not opened(here, view=view_of("/notification")).resumed
    assert not opened(Bookmarks(redis_server, "elsewhere", 85)).resumed
    assert opened(here).resumed


def test_whoever_says_goodbye_was_not_interrupted(here):
    one = opened(here)
    here.turn(time.monotonic())
    here.close(one, Server.reason.CLIENT_DISCONNECT)
    assert fresh(opened(here))


def test_what_was_still_to_be_sent_was_not_heard(here):
    one = opened(here)
    here.turn(time.monotonic())
    one.progress.start("epoch", {"user:alice": 9})
    one.emit("notification:new", {})
    here.turn(time.monotonic())
    here.close(one, INTERRUPTED)
    assert opened(here).resume.positions["user:alice"] == 5


def test_who_is_interrupted_again_before_being_served_goes_on_from_the_same_place(here):
    here.close(opened(here), INTERRUPTED)
    again = opened(here, sid="b", seq=9)
    again.ready = False
    here.close(again, INTERRUPTED)
    assert opened(here).resume.positions["user:alice"] == 5


def test_a_connection_that_timed_out_had_heard_nothing_for_a_while(here):
    one, now = opened(here), time.monotonic()
    here.turn(now - 100)
    one.progress.start("epoch", {"user:alice": 9})
    here.turn(now - 50)
    here.close(one, Server.reason.PING_TIMEOUT)
    assert opened(here).resume.positions["user:alice"] == 5


def test_a_client_that_was_away_for_long_is_told_that_something_may_be_missing(here, monkeypatch: pytest.MonkeyPatch):
    here.close(opened(here), INTERRUPTED)
    monkeypatch.setattr(module, "KEPT", -1.0)
    assert told_of_a_loss(opened(here))


@pytest.mark.parametrize("seconds", [3600, -3600], ids=["forward", "back"])
def test_a_web_process_whose_clock_is_an_hour_off_goes_by_that_of_redis(here, there, monkeypatch, seconds):
    here.close(opened(here), INTERRUPTED)
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + seconds)
    second = opened(there, sid="b", seq=9)
    assert second.resume.positions["user:alice"] == 5
    there.close(second, INTERRUPTED)
    monkeypatch.undo()
    assert opened(here, sid="c").resume.positions["user:alice"] == 9


def test_without_redis_nobody_waits_and_nothing_fails():
    away = Bookmarks("redis://127.0.0.1:1/0", "bookmarks", patience=85)
    one = opened(away)
    assert told_of_a_loss(one)
    began = time.monotonic()
    for n in range(100):
        opened(away, sid=str(n))
    away.turn(time.monotonic())
    away.close(one, INTERRUPTED)
    assert time.monotonic() - began < 10


# Over real processes.


def broken_off(client: Client) -> None:
    """End the connection as a network does: without a word."""
    # Its position is written within a second.
    time.sleep(1.2)
    client.sio.eio.ws.sock.shutdown(socket.SHUT_RDWR)
    eventually(lambda: client.ended)
    # No client is back sooner.
    time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.parametrize(("dialect", "name"), [("hub", "notification:new"), ("simple", "notification")])
def test_nothing_is_missed_and_nothing_told_twice(stack: Stack, dialect: str, name: str):
    token = stack.token()
    first = stack.client(token=token, dialect=dialect)
    stack.notify(title="before")
    eventually(lambda: first.all(name))
    broken_off(first)
    stack.notify(title="meanwhile")
    second = stack.client(token=token, dialect=dialect)
    stack.notify(title="afterwards")
    # False if Redis did not answer in time, and then more may be told.
    assert second.ready["complete"], stack.web.log()[-3000:]
    eventually(lambda: "afterwards" in [n["title"] for n in second.all(name)])
    assert [n["title"] for n in second.all(name)] == ["meanwhile", "afterwards"]
    assert second.ready["replayed"] == 1
    assert not first.all("reconnect")
    assert bool(second.all("reconnect")) == (dialect == "hub")


@pytest.mark.slow
def test_what_was_polled_for_meanwhile_is_not_told_again(stack: Stack):
    token = stack.token()
    first = stack.client(token=token, dialect="tenant")
    broken_off(first)
    stack.notify(title="polled")
    with write(stack.engine) as connection:
        assert acknowledge_events(connection, stack.tenant, "alice", {"user:alice": {1}}, utc_now()) == 1
    stack.notify(title="not polled")
    second = stack.client(token=token, dialect="tenant")
    eventually(lambda: second.all("notification:created"))
    assert [n["title"] for n in second.all("notification:created")] == ["not polled"]


@pytest.mark.slow
def test_whoever_connects_hears_what_is_sent_to_everybody(stack: Stack):
    client = stack.client("nobody-knew-them")
    stack.notify(audience={"tenant": True})
    eventually(client.titles)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("database_url", "mode"), [("postgresql", "gevent"), ("sqlite", "threading")], indirect=["database_url"]
)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_that_ends_after_a_client_connected_costs_it_nothing(
    mode: str, how: signal.Signals, database_url: str, engine: Engine, redis_server: str, tmp_path: Path
):
    settings = factories.create_settings(
        tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_server, CARILLON_REDIS_CHANNEL=f"{mode}-{how.name}"
    )
    web = Web(settings, mode, tmp_path / "web.log").start()
    stack = Stack(web, engine, "acme")
    try:
        token = stack.token()
        for round_ in range(3):
            client = stack.client(token=token, dialect="hub")
            missed = [f"{round_}"] if round_ else []
            told = client.titles()
            # What was sent in the last moment of a process that was killed may come twice.
            assert (client.ready["complete"], told[len(told) - len(missed) :]) == (True, missed)
            assert how == signal.SIGKILL or told == missed
            # Positions are written at SIGTERM; without it, within a second.
            time.sleep(0.1 if how == signal.SIGTERM else REPORTS["R14"]["input"]["kill_after_s"])
            web.stop(how)
            eventually(lambda client=client: client.ended)
            stack.notify(title=f"{round_ + 1}")
            web.start()
    finally:
        web.stop()
        stack.close()


@pytest.mark.slow
def test_a_client_that_keeps_no_position_is_known_in_every_dialect(stack: Stack):
    token = stack.token()
    first = stack.client(token=token)
    stack.notify(title="before")
    eventually(first.titles)
    broken_off(first)
    stack.notify(title="meanwhile")
    second = stack.client(token=token)
    assert (second.titles(), second.ready["replayed"]) == (["meanwhile"], 1)
    broken_off(second)
    stack.notify(title="later")
    # This one keeps its position, and has none yet.
    assert stack.client(token=token, cursor=None).titles() == []
