"""The number on the bell is told after whatever changes it without saying so."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from actions.installation import utc_now
from models.inbox.changes import READ, change_items
from models.notifications.recall import recall
from models.sql.engine import connect, write
from tests import factories
from tests.waiting import eventually
from tests.web.realtime.fakes import heard, session
from tests.web.realtime.stack import Stack
from web.dialects import view_of
from web.realtime.gateway import counts
from web.realtime.gateway.counts import CountNotifier
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.limits import MAX_BACKLOG
from web.realtime.timing import Timing

TIMING = Timing(counts=0.05, retry=0.05)


class Inbox:
    """Sessions without connections, and a notifier that sends when it is told to."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sessions = Sessions()
        self.counts = CountNotifier(engine, utc_now, self.sessions, TIMING)
        factories.create_tenant(engine)

    def open(self, user: str = "alice", **other: Any) -> Session:
        one = session(user, sid=f"{user}-{len(self.sessions.all())}", **other)
        one.ready = True
        self.sessions.add(one)
        return one

    def notify(self, *users: str) -> Any:
        audience = {"users": [{"id": user} for user in users]}
        now = utc_now()
        new = factories.accept_one(self.engine, now, audience=audience, expires_at=now + timedelta(hours=1))
        factories.expand_all(self.engine, new, now)
        return new

    def pass_by(self, name: str, *users: str) -> None:
        self.counts.observe([{"event": name, "payload": {}, "rooms": [[f"acme/user:{user}", 1] for user in users]}])


@pytest.fixture
def inbox(engine: Engine) -> Inbox:
    return Inbox(engine)


def count(number: int) -> tuple[str, dict[str, int]]:
    return "notification:count", {"unread": number, "unseen": number, "total": number}


def test_everybody_is_told_their_own_counts_after_one_query(inbox: Inbox):
    alice, other, bob, carol = inbox.open(), inbox.open(), inbox.open("bob"), inbox.open("carol")
    inbox.notify("alice", "bob")
    inbox.notify("alice")
    inbox.pass_by("notification:new", "alice", "bob", "carol", "somebody else")
    inbox.pass_by("notification:new", "alice")
    statements: list[str] = []
    event.listen(inbox.engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert inbox.counts.send() == 4
    assert len([sql for sql in statements if "count" in sql]) == 1
    assert heard(alice) == heard(other) == [count(2)]
    assert (heard(bob), heard(carol)) == ([count(1)], [count(0)])
    assert inbox.counts.send() == 0


def test_only_what_changes_counts_and_does_not_say_so_makes_them_told(inbox: Inbox):
    alice = inbox.open()
    for name in ("notification:read", "notification:count", "stream:data", "alert:new"):
        inbox.pass_by(name, "alice")
    assert inbox.counts.send() == 0
    for name in ("notification:new", "notification:deleted"):
        inbox.pass_by(name, "alice")
        assert inbox.counts.send() == 1
    inbox.counts.ask(alice)
    assert inbox.counts.send() == 1


def test_who_cannot_hear_of_counts_is_not_counted_for(inbox: Inbox):
    shop = inbox.open(view=view_of("/orders"))
    inbox.counts.ask(shop)
    inbox.pass_by("notification:new", "alice")
    assert inbox.counts.send() == 0
    page, unready, slow = inbox.open(view=view_of("/notifications")), inbox.open(), inbox.open()
    unready.ready = False
    for _ in range(MAX_BACKLOG + 1):
        slow.socket.send(slow_packet())
    inbox.pass_by("notification:new", "alice")
    assert inbox.counts.send() == 1
    assert "notification:count" in page.socket.queue.get()


def slow_packet() -> Any:
    class Packet:
        def encode(self) -> str:
            return "42[]"

    return Packet()


def test_what_the_log_tells_meanwhile_is_newer(inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    alice, bob = inbox.open(), inbox.open("bob")
    real = counts.counts_for

    def slowly(*args: Any) -> Any:
        found = real(*args)
        inbox.pass_by("notification:count", "alice")
        return found

    monkeypatch.setattr(counts, "counts_for", slowly)
    inbox.pass_by("notification:new", "alice", "bob")
    assert inbox.counts.send() == 1
    assert (heard(alice), heard(bob)) == ([], [count(0)])


def test_many_users_are_counted_in_several_queries(inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counts, "_USERS", 2)
    for number in range(5):
        inbox.open(f"u{number}")
    inbox.pass_by("notification:new", *(f"u{number}" for number in range(5)))
    assert inbox.counts.send() == 5


def test_without_a_database_nobody_is_forgotten(inbox: Inbox):
    alice = inbox.open()
    away = CountNotifier(connect("sqlite:////nowhere/nothing.db"), utc_now, inbox.sessions, TIMING)
    away.ask(alice)
    with pytest.raises(OperationalError):
        away.send()
    away._engine = inbox.engine
    assert away.send() == 1


def test_a_burst_is_told_at_once_and_then_now_and_then(inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    alice = inbox.open()
    thread = threading.Thread(target=inbox.counts.run, daemon=True)
    thread.start()
    inbox.pass_by("notification:new", "alice")
    eventually(lambda: alice.backlog() == 1, within=2)
    for _ in range(200):
        inbox.pass_by("notification:new", "alice")
    eventually(lambda: alice.backlog() == 2, within=2)
    threading.Event().wait(0.2)
    assert alice.backlog() <= 3


# Over real processes.


@pytest.mark.slow
def test_counts_follow_what_comes_what_is_recalled_and_what_is_replayed(stack: Stack):
    client = stack.client()
    eventually(lambda: client.all("notification:count") == [count(0)[1]])
    first = stack.notify()
    eventually(lambda: client.all("notification:count")[-1] == count(1)[1])
    second = stack.notify()
    eventually(lambda: client.all("notification:count")[-1] == count(2)[1])
    with write(stack.engine) as connection:
        assert recall(connection, stack.tenant, first, utc_now())
    factories.expand_all(stack.engine, first, utc_now())
    stack.publish()
    eventually(lambda: client.all("notification:count")[-1] == count(1)[1])
    # After whatever was replayed: old counts of the log first, the present one last.
    with write(stack.engine) as connection:
        change_items(connection, stack.tenant, "alice", READ, [second], utc_now())
    stack.notify()
    late = stack.client(last_seq=0)
    eventually(lambda: [told["unread"] for told in late.all("notification:count")] == [0, 1])
    names = [name for name, _ in late.heard if name in ("session:ready", "notification:count", "notification:new")]
    assert names[-1] == "notification:count"
    last = late.all("notification:count")[-1]
    assert "seq" not in last
    assert "room" not in last
