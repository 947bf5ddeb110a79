"""Clients that keep no position go on where they were interrupted."""

from __future__ import annotations

import socket
import time

import pytest
from socketio import Server

from actions.installation import utc_now
from models.polling.queries import acknowledge_events
from models.sql.engine import write
from tests.waiting import eventually
from tests.web.realtime.fakes import session
from tests.web.realtime.stack import Client, Stack
from web.dialects import view_of
from web.realtime.gateway.sessions import Session
from web.realtime.replay import bookmarks as module
from web.realtime.replay.bookmarks import Bookmarks

HUB = view_of("/", "hub")
INTERRUPTED = Server.reason.TRANSPORT_CLOSE


def page(sid: str = "a", seq: int = 5, view=HUB) -> Session:
    one = session(sid=sid, view=view)
    one.ready = True
    one.progress.start("epoch", {"user:alice": seq, "tenant:acme": 1})
    return one


def opened(bookmarks: Bookmarks, token: str = "token", **other) -> Session:
    one = page(**other)
    bookmarks.open(one, token)
    return one


@pytest.fixture
def here(redis_server: str) -> Bookmarks:
    return Bookmarks(redis_server, "bookmarks", patience=85)


@pytest.fixture
def there(redis_server: str) -> Bookmarks:
    """Another web process."""
    return Bookmarks(redis_server, "bookmarks", patience=85)


def test_who_is_interrupted_goes_on_there_once(here, there):
    first = opened(here)
    assert (first.resumed, first.resume.positions) == (False, {})
    here.close(first, INTERRUPTED)
    second = opened(there, sid="b")
    assert (second.resumed, second.resume.epoch) == (True, "epoch")
    assert second.resume.positions == {"user:alice": 5, "tenant:acme": 1}
    third = opened(there, sid="c")
    assert (third.resumed, third.resume.positions) == (True, {}), "that position was another page's"


def test_a_process_that_is_killed_has_written_down_where_its_pages_were(here, there):
    for sid, seq in (("a", 5), ("b", 7)):
        opened(here, sid=sid, seq=seq)
    here.turn(time.monotonic())
    # The furthest behind first, so that nobody misses anything.
    again = [opened(there, sid=sid, seq=0).resume.positions.get("user:alice") for sid in "cde"]
    assert again == [5, 7, None]


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
    again = opened(here)
    assert (again.resumed, again.resume.positions) == (False, {})


def test_the_goodbye_of_one_page_does_not_lose_the_interruption_of_another(here):
    one, other = opened(here), opened(here, sid="b")
    here.turn(time.monotonic())
    here.close(other, INTERRUPTED)
    here.close(one, Server.reason.CLIENT_DISCONNECT)
    assert opened(here, sid="c").resumed
    assert not opened(here, sid="d").resumed


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


def test_who_was_away_for_long_begins_anew(here, monkeypatch: pytest.MonkeyPatch):
    here.close(opened(here), INTERRUPTED)
    monkeypatch.setattr(module, "KEPT", -1.0)
    again = opened(here)
    assert (again.resumed, again.resume.positions) == (True, {})


def test_without_redis_nobody_waits_and_nothing_fails():
    away = Bookmarks("redis://127.0.0.1:1/0", "bookmarks", patience=85)
    one = opened(away)
    assert not one.resumed
    began = time.monotonic()
    for n in range(100):
        opened(away, sid=str(n))
    away.turn(time.monotonic())
    away.close(one, INTERRUPTED)
    assert time.monotonic() - began < 1


# Over real processes.


def broken_off(client: Client) -> None:
    """End the connection as a network does: without a word."""
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
    eventually(lambda: len(second.all(name)) == 2)
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
