"""Who is there: leases in Redis, told once, and forgotten when nobody renews them."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import Engine

from bus import presence as leases_module
from bus.presence import Away, Leases, Present, Report
from tests import factories
from tests.waiting import eventually
from tests.web.realtime.fakes import session
from tests.web.realtime.spaces import Spaces
from tests.web.realtime.stack import Client, Stack, Web
from web.dialects import view_of
from web.realtime.payloads import Refused
from web.realtime.presence.presence import MAX_ASKED, Presence
from web.realtime.timing import Timing

QUICK = Timing(lease=0.6, renew=0.2, reload=0.2, states=0.5, tick=0.05)
NOWHERE = "redis://127.0.0.1:1/0"


class Told:
    """What is announced, as web processes hear it."""

    def __init__(self, url: str) -> None:
        self._pubsub = redis.Redis.from_url(url).pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe("presence-test")
        self._pubsub.get_message(timeout=1)
        self.messages: list[dict[str, Any]] = []

    def all(self, room: str = "acme/tenant:acme") -> list[tuple[str, str]]:
        """(event, user), since the last time."""
        told = []
        while message := self._pubsub.get_message(timeout=0.02):
            document = json.loads(message["data"])
            self.messages.append(document)
            assert (document["method"], document["event"], len(document["data"])) == ("emit", "carillon:batch", 1)
            for group in document["data"][0]:
                assert group["rooms"] == [[room, 0]]
                assert group["payload"].keys() == {"id", "user", "status", "created_at"}
                assert group["event"] == f"presence:{group['payload']['status']}"
                told.append((group["event"].partition(":")[2], group["payload"]["user"]))
        return told


@pytest.fixture
def told(redis_server: str) -> Told:
    return Told(redis_server)


@pytest.fixture
def leases(redis_server: str) -> Leases:
    return Leases(redis_server, "presence-test", QUICK.lease, QUICK.reload)


def report(user: str = "alice", connection: str = "1", status: Any = "online", tenant: str = "acme") -> Report:
    return Report(tenant, user, connection, status)


def state(leases: Leases, user: str = "alice") -> str:
    return leases.states("acme", [user]).users[user]


def test_a_question_is_answered_truly_where_nobody_looks_after_leases(leases: Leases, told: Told):
    leases.keep([report()])
    time.sleep(0.7)
    assert leases.states("acme") == Present({})
    assert told.all() == [("online", "alice"), ("offline", "alice")]


def test_whoever_comes_is_told_once(leases: Leases, told: Told):
    for _ in range(3):
        leases.keep([report()])
    leases.keep([report(connection="2")])
    assert told.all() == [("online", "alice")]
    assert state(leases) == "online"
    assert leases.states("acme") == Present({"alice": "online"})
    assert leases.states("other") == Present({})
    assert leases.states("acme", ["bob", "alice"]).users == {"bob": "offline", "alice": "online"}


def test_of_several_devices_the_highest_state_counts(leases: Leases, told: Told):
    leases.keep([report(connection="phone", status="away")])
    leases.keep([report(connection="desk", status="online")])
    leases.keep([report(connection="tablet", status="busy")])
    leases.keep([report(connection="desk", status="away")])
    leases.keep([report(connection="tablet", status="online")])
    assert told.all() == [("away", "alice"), ("online", "alice"), ("busy", "alice"), ("online", "alice")]
    leases.keep([report(connection="tablet", status=None)])
    assert state(leases) == "online", "not yet: its page may be loading again"
    time.sleep(0.25)
    leases.keep([])
    assert told.all() == [("away", "alice")]


def test_what_changes_together_is_told_as_one_change(leases: Leases, told: Told):
    leases.keep([report(connection="phone"), report(connection="desk", status="busy")])
    leases.keep([report(connection="desk", status="away"), report(connection="phone", status="away")])
    assert told.all() == [("busy", "alice"), ("away", "alice")]


def test_a_page_that_is_loaded_again_has_not_been_away(leases: Leases, told: Told):
    for connection in ("1", "2", "3"):
        leases.keep([report(connection=connection)])
        leases.keep([report(connection=connection, status=None)])
        time.sleep(0.1)
        leases.keep([])
    assert told.all() == [("online", "alice")]
    time.sleep(0.25)
    leases.keep([])
    assert told.all() == [("offline", "alice")]
    leases.keep([report(connection="3", status=None)])
    assert told.all() == []


def test_a_lease_that_nobody_renews_ends_and_one_of_those_who_look_tells_it(redis_server: str, told: Told):
    processes = [Leases(redis_server, "presence-test", QUICK.lease, QUICK.reload) for _ in range(3)]
    processes[0].keep([report(), report("bob")])
    processes[1].keep([report("carol")])
    end = time.monotonic() + 0.8
    while time.monotonic() < end:
        processes[1].keep([report("carol")])
        processes[2].keep([])
        time.sleep(0.05)
    assert sorted(told.all()) == [
        ("offline", "alice"),
        ("offline", "bob"),
        ("online", "alice"),
        ("online", "bob"),
        ("online", "carol"),
    ]
    assert processes[0].states("acme").users == {"carol": "online"}


def test_after_the_clock_of_redis_was_set_back_a_lease_ends_as_soon_as_any_other(
    redis_server: str, leases: Leases, told: Told
):
    leases.keep([report(), report("bob")])
    assert sorted(told.all()) == [("online", "alice"), ("online", "bob")]
    hour = 3_600_000
    with redis.Redis.from_url(redis_server) as client:
        # As it looks after that.
        for user in ("alice", "bob"):
            seats, member = f"presence-test:presence:of:acme/{user}", f"acme/{user}"
            status, end = client.hget(seats, "1").decode().split()
            client.hset(seats, "1", f"{status} {int(end) + hour}")
            client.persist(seats)
            client.zincrby("presence-test:presence:due", hour, member)
    end = time.monotonic() + 3 * QUICK.lease
    heard = []
    while time.monotonic() < end:
        leases.keep([report("bob")])
        heard += told.all()
    assert heard == [("offline", "alice")]
    assert (state(leases), state(leases, "bob")) == ("offline", "online")


def test_what_redis_has_forgotten_comes_back_with_the_next_report(redis_server: str, leases: Leases, told: Told):
    leases.keep([report(status="busy")])
    with redis.Redis.from_url(redis_server) as control:
        control.flushall()
        assert leases.keep([]) == 0
        leases.keep([report(status="busy")])
        assert told.all() == [("busy", "alice")] * 2
        # Nothing stays behind of whoever has gone.
        time.sleep(0.7)
        leases.keep([])
        assert control.keys("presence-test:*") == []


def test_ids_are_taken_as_they_are(leases: Leases, told: Told):
    users = ["a/b:c", 'say "hi"', "ünï 🔔", "\\", "%s", "user:alice"]
    leases.keep([report(user) for user in users])
    assert [user for _, user in told.all()] == users
    assert leases.states("acme").users == dict.fromkeys(users, "online")
    time.sleep(0.7)
    leases.keep([])
    assert {user for _, user in told.all()} == set(users)


def test_installations_on_one_redis_do_not_see_each_other(redis_server: str, leases: Leases, told: Told):
    other = Leases(redis_server, "presence-other", QUICK.lease, QUICK.reload)
    other.keep([report()])
    assert told.all() == []
    assert state(leases) == "offline"


def test_in_a_large_tenant_nobody_is_told(leases: Leases, told: Told, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leases_module, "MAX_ANNOUNCED", 3)
    monkeypatch.setattr(leases_module, "MAX_LISTED", 3)
    leases.keep([report("u0")])
    assert told.all() == [("online", "u0")]
    # Not even of those who come before it is large: they come together.
    leases.keep([report(f"u{n}") for n in range(5)] + [report(tenant="small")])
    assert told.all(room="small/tenant:small") == [("online", "alice")]
    assert (len(leases.states("acme").users), leases.states("acme").more) == (3, True)
    assert leases.states("acme", ["u4"]).users == {"u4": "online"}
    time.sleep(0.7)
    leases.keep([report("u0", status="busy"), report("u1"), report(tenant="small")])
    assert sorted(told.all()) == [("busy", "u0"), ("offline", "u2"), ("offline", "u3"), ("offline", "u4")]


def test_so_many_are_looked_after_in_one_step(leases: Leases, told: Told, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leases_module, "STEP", 2)
    leases.keep([report(f"u{n}") for n in range(5)])
    told.all()
    time.sleep(0.7)
    assert [leases.keep([]) for _ in range(4)] == [2, 2, 1, 0]
    assert len(told.all()) == 5


def test_without_redis_nobody_waits():
    nobody = Leases(NOWHERE, "presence-test")
    with pytest.raises(Away):
        nobody.keep([report()])
    for _ in range(2):
        with pytest.raises(Away):
            nobody.states("acme")


# One process's part.


class Recorded:
    """Leases that only keep what they are told."""

    def __init__(self) -> None:
        self.reports: list[list[tuple[str, str | None]]] = []
        self.away = False

    def keep(self, reports: list[Report]) -> int:
        if self.away:
            raise Away("test")
        self.reports.append([(one.user, one.status) for one in reports])
        return 0

    def states(self, _tenant: str, _users: Any) -> Present:
        raise Away("test")

    def last(self) -> list[tuple[str, str | None]]:
        return self.reports[-1]


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def presence(recorded: Recorded) -> Presence:
    return Presence(recorded, QUICK)  # type: ignore[arg-type]


def test_a_connection_is_there_from_its_first_namespace_to_its_last(presence: Presence, recorded: Recorded):
    root, chat = session(sid="1"), session(sid="2", view=view_of("/chat"))
    chat.socket = root.socket
    presence.enter(root)
    presence.enter(chat)
    presence.turn(100.0)
    assert recorded.last() == [("alice", "online")]
    # Whichever says so, it is the connection that is away.
    presence.set_status(chat, {"status": "away"})
    presence.leave(root)
    presence.turn(101.0)
    assert recorded.last() == [("alice", "away")]
    presence.leave(chat)
    presence.leave(chat)
    presence.turn(101.1)
    presence.turn(110.0)
    assert recorded.reports[-2:] == [[("alice", None)], []]


def test_connections_are_reported_in_time(presence: Presence, recorded: Recorded):
    presence.enter(session())
    moments = [100.0, 100.1, 100.15, 100.21, 100.3, 100.42]
    for moment in moments:
        presence.turn(moment)
    assert [bool(reports) for reports in recorded.reports] == [True, False, False, True, False, True]


def test_who_changes_their_mind_all_the_time_is_told_now_and_then(presence: Presence, recorded: Recorded):
    slow = Presence(recorded, Timing(tick=0.05))  # type: ignore[arg-type]
    one = session()
    slow.enter(one)
    slow.turn(100.0)
    told = []
    for step in range(1, 40):
        slow.set_status(one, {"status": ("busy", "away")[step % 2]})
        slow.turn(100.0 + step / 10)
        told += recorded.last()
    assert len(told) == 3
    assert told[0] == ("alice", "busy")


def test_a_connection_that_broke_off_unnoticed_is_reported_as_ended(presence: Presence, recorded: Recorded):
    one = session()
    presence.enter(one)
    presence.turn(100.0)
    one.socket.closed = True
    presence.turn(101.0)
    presence.turn(102.0)
    assert recorded.reports == [[("alice", "online")], [("alice", None)], []]


def test_when_redis_is_back_everybody_is_reported_at_once(presence: Presence, recorded: Recorded):
    users = ["alice", "bob", "carol"]
    for user in users:
        presence.enter(session(user))
    presence.turn(100.0)
    recorded.away = True
    with pytest.raises(Away):
        presence.turn(100.05)
    recorded.away = False
    presence.turn(100.06)
    assert sorted(recorded.last()) == [(user, "online") for user in users]


def test_many_reports_go_in_several_steps(presence: Presence, recorded: Recorded):
    for number in range(450):
        presence.enter(session(f"u{number}"))
    presence.turn(100.0)
    assert [len(reports) for reports in recorded.reports] == [200, 200, 50]


@pytest.mark.parametrize(
    ("ask", "payload"),
    [
        ("set_status", None),
        ("set_status", {"status": "offline"}),
        ("set_status", {"status": "typing"}),
        ("set_status", {"status": "busy", "user": "bob"}),
        ("list_users", {"users": "alice"}),
        ("list_users", {"users": [5]}),
        ("list_users", {"users": ["x"] * (MAX_ASKED + 1)}),
        ("list_users", {"tenant": "other"}),
        ("list_users", ["alice"]),
    ],
)
def test_what_is_no_state_and_no_question_is_refused(presence: Presence, ask: str, payload: Any):
    with pytest.raises(Refused) as refused:
        getattr(presence, ask)(session(), payload)
    assert refused.value.code == "bad_request"


def test_a_question_without_redis_is_answered_with_an_error(presence: Presence):
    with pytest.raises(Refused) as refused:
        presence.list_users(session(), None)
    assert refused.value.code == "unavailable"


# Over real processes.


def seen(client: Client, user: str) -> list[str]:
    """How the user's presence went, as this client heard it."""
    return [
        name.partition(":")[2]
        for name, data in list(client.heard)
        if name.startswith("presence:") and data["user"] == user
    ]


def went(watcher: Client, user: str, *states: str) -> bool:
    """Whether that is how it went, in the end."""
    try:
        return bool(eventually(lambda: seen(watcher, user) == [*states]))
    except AssertionError:
        raise AssertionError(f"{seen(watcher, user)}") from None


@pytest.mark.slow
def test_colleagues_hear_who_comes_changes_and_goes(stack: Stack):
    watcher, stranger = stack.client("watcher"), Stack(stack.web, stack.engine, f"{stack.tenant}-other").client("eve")
    phone, desk = stack.client("bob"), stack.client("bob")
    assert went(watcher, "bob", "online")
    assert phone.call("presence:away") == {"ok": True, "status": "away"}
    assert desk.call("presence:busy")["ok"]
    assert went(watcher, "bob", "online", "busy")
    assert desk.call("presence:away")["ok"]
    assert went(watcher, "bob", "online", "busy", "away")
    answer = watcher.call("presence:list", {"users": ["bob", "nobody", "eve"]})
    assert answer == {"ok": True, "users": {"bob": "away", "nobody": "offline", "eve": "offline"}, "more": False}
    assert watcher.call("presence:list")["users"] == {"bob": "away", "watcher": "online"}
    phone.close()
    desk.close()
    again = stack.client("bob")
    assert went(watcher, "bob", "online", "busy", "away", "online")
    again.close()
    eventually(lambda: seen(watcher, "bob")[-1] == "offline")
    [first, *_] = watcher.all("presence:online")
    assert "room" not in first
    assert "seq" not in first
    assert seen(stranger, "bob") == []
    stranger.close()


@pytest.mark.slow
def test_presence_by_every_name(stack: Stack):
    hub = Spaces(stack, "/", "/presence", user="watcher", dialect="hub")
    pages = Spaces(stack, "/sns", "/chat", "/orders", user="watcher")
    bob = stack.client("bob")

    def heard(page: Spaces, namespace: str) -> list[tuple[str, str, str]]:
        return [
            (name, data["status"], data.get("userKey", data.get("user_id")))
            for name, data in list(page.heard[namespace])
            if isinstance(data, dict) and data.get("user") == "bob"
        ]

    def all_heard() -> Any:
        return heard(hub, "/"), heard(hub, "/presence"), heard(pages, "/sns"), heard(pages, "/chat")

    come = [("presence:online", "online", "bob"), ("chat:presence", "online", "bob")]
    here = [("user_online", "online", "bob")]
    eventually(lambda: all_heard() == (come, come[:1], here, here))
    bob.close()
    gone = [("presence:offline", "offline", "bob"), ("chat:presence", "offline", "bob")]
    left = [("user_offline", "offline", "bob")]
    eventually(lambda: all_heard() == (come + gone, come[:1] + gone[:1], here + left, here + left))
    assert heard(pages, "/orders") == []
    [last] = [data for name, data in hub.heard["/"] if name == "chat:presence" and data["status"] == "offline"]
    assert last["timestamp"] == last["created_at"]
    hub.close()
    pages.close()


@pytest.fixture
def two(webs: Callable[[str], tuple[Web, Engine]], tmp_path: Path) -> Iterator[tuple[Stack, Stack]]:
    """Two web processes behind one Redis and one database."""
    web, engine = webs("gevent-postgresql")
    second = Web(factories.create_settings(tmp_path, **_same(web)), "threading", tmp_path / "second.log").start()
    first = Stack(web, engine, f"presence-{secrets.token_hex(3)}")
    other = Stack(second, engine, first.tenant)
    yield first, other
    with suppress(ProcessLookupError):
        second.stop()
    first.close()


def _same(web: Web) -> dict[str, str]:
    settings = web.settings
    return {
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "CARILLON_REDIS_CHANNEL": settings.bus_topic,
    }


@pytest.mark.slow
def test_a_killed_processs_users_go_offline_once(two: tuple[Stack, Stack]):
    first, second = two
    watchers = [first.client("watcher"), first.client("other watcher")]
    second.client("bob")
    second.client("carol")
    stays = first.client("carol")
    # They have listened since their first client came, or a moment later.
    eventually(lambda: first.web.health()["listening"] and second.web.health()["listening"])
    eventually(lambda: all(seen(one, "bob") == seen(one, "carol") == ["online"] for one in watchers))
    second.web.stop()
    began = time.monotonic()
    eventually(lambda: all(seen(one, "bob") == ["online", "offline"] for one in watchers), within=20)
    # Not before its lease ended: 6 s after it was last renewed, a second ago at most.
    assert time.monotonic() - began > 4
    time.sleep(1.5)
    for one in watchers:
        assert seen(one, "bob") == ["online", "offline"]
        assert seen(one, "carol") == ["online"]
    assert watchers[0].call("presence:list", {"users": ["bob", "carol"]})["users"] == {
        "bob": "offline",
        "carol": "online",
    }
    assert stays.call("test", 1)["ok"]
