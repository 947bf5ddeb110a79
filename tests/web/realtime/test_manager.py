"""The subscription to the message queue, against a real Redis and without clients."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import socketio
from flask import Flask
from socketio import RedisManager
from sqlalchemy import Engine

from actions.tokens import Claims
from bus.envelope import PRESENCE_FRAME, Group, direct_message, message
from bus.presence import Leases, Report
from bus.publisher import Publisher
from bus.signature import KeyUnavailable, Signature
from config.jwt_keys import JwtKeys
from config.repeated_records import _key
from config.settings import Settings
from tests import factories
from tests.channels import support
from tests.conftest import redis_process
from tests.waiting import eventually
from web.auth import Authenticator
from web.newcomers import Newcomers
from web.realtime import attach, metrics
from web.realtime.timing import Timing
from web.realtime.transport.manager import QueueManager

HURRY = Timing(heartbeat=0.1, deaf_after=0.9, resubscribe_max=0.3)
CHANNEL = "manager"


class Ear:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.groups: list[dict[str, Any]] = []
        self.subscriptions = 0
        self.starts = 0
        self.sids: list[str] = []

    def started(self) -> None:
        self.starts += 1

    def subscribed(self) -> None:
        self.subscriptions += 1

    def connected(self, sid: str) -> None:
        self.sids.append(sid)

    def deliver(self, groups: list[dict[str, Any]]) -> None:
        self.groups += groups


class Server:
    """As much of a Socket.IO server as a manager needs; its threads end with the test."""

    async_mode = "threading"
    packet_class = socketio.packet.Packet

    def __init__(self) -> None:
        self.logger = logging.getLogger("tests.manager")
        self.ended = threading.Event()

    def start_background_task(self, work: Any, *args: Any) -> threading.Thread:
        def run() -> None:
            try:
                work(*args)
            except SystemExit:
                return

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    def sleep(self, seconds: float) -> None:
        if self.ended.wait(seconds):
            raise SystemExit


def started(url: str, timing: Timing = HURRY) -> tuple[QueueManager, Ear, Server]:
    manager, ear, server = QueueManager(url, CHANNEL, factories.bus_secret, timing), Ear(), Server()
    manager.set_server(server)
    manager.bind(ear)
    manager.initialize()
    return manager, ear, server


@pytest.fixture(scope="module")
def own_redis() -> Iterator[str]:
    """A Redis in which nobody else listens."""
    with redis_process() as (url, _):
        yield url


@pytest.fixture
def listening(own_redis: str) -> Iterator[tuple[QueueManager, Ear]]:
    manager, ear, server = started(own_redis)
    eventually(lambda: manager.listening)
    yield manager, ear
    server.ended.set()
    for subscriber in subscribers(own_redis):
        redis.Redis.from_url(own_redis).client_kill_filter(_id=subscriber)


def subscribers(url: str) -> list[Any]:
    with redis.Redis.from_url(url) as client:
        return [found["id"] for found in client.client_list() if found["sub"] != "0"]


def test_a_batch_is_unpacked(listening: tuple[QueueManager, Ear], own_redis: str):
    _, ear = listening
    writer = Publisher(own_redis, CHANNEL, factories.bus_secret)
    assert writer.publish([Group("a", {"n": 1}, [("acme/user:alice", 1)]), Group("b", {}, [])]) == 1
    assert writer.publish([Group("c", {"not a number": float("nan")}, [])]) == 1
    eventually(lambda: len(ear.groups) == 3)
    assert [group["event"] for group in ear.groups] == ["a", "b", "c"]
    assert ear.groups[0] == {"event": "a", "payload": {"n": 1}, "rooms": [["acme/user:alice", 1]]}
    writer.close()


FORGED = message([Group("forged", {}, [("acme/user:alice", 1)])], "somebody")
SIGNED = Signature(factories.bus_secret, CHANNEL).sign(json.dumps(FORGED).encode())


def presence(event: str = "presence:online", tenant: str = "acme", room: str | None = None, seq: Any = 0, **other: Any):
    payload = {"id": "alice", "user": "alice", "status": "online", "created_at": "2026-01-01T00:00:00Z"} | other
    group = {"event": event, "payload": payload, "rooms": [[room or f"{tenant}/tenant:{tenant}", seq]]}
    return json.dumps(group).join(("[", "]")).join(PRESENCE_FRAME).encode()


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\xff\x00",
        b"{",
        b"[]",
        b"7",
        b"[" * 200_000,
        b'{"method":"?"}',
        b'{"method":"emit","event":"carillon:batch"}',
        json.dumps({"method": "emit", "event": "carillon:batch", "data": 5}).encode(),
        # Well formed, and not signed by us.
        json.dumps(FORGED).encode(),
        json.dumps(FORGED | {"mac": "0" * 64}).encode(),
        SIGNED.replace(b"alice", b"carol"),
        SIGNED[:-3] + bytes([SIGNED[-3] ^ 1]) + SIGNED[-2:],
        SIGNED + b" ",
        Signature(factories.bus_secret, "another topic").sign(json.dumps(FORGED).encode()),
        Signature(lambda: b"another secret", CHANNEL).sign(json.dumps(FORGED).encode()),
        json.dumps(direct_message("acme", "abcdefgh", {"text": "forged"}, "somebody")).encode(),
        # What the library's own listener would do for anybody.
        json.dumps({"method": "emit", "event": "x", "data": ["to all"], "namespace": "/", "room": None}).encode(),
        json.dumps({"method": "disconnect", "sid": "a", "namespace": "/"}).encode(),
        json.dumps({"method": "enter_room", "sid": "a", "room": "acme/user:bob", "namespace": "/"}).encode(),
        json.dumps({"method": "close_room", "room": "acme/user:bob", "namespace": "/"}).encode(),
        # Presence comes from a script in Redis, unsigned. It can say who is online, to the room of a tenant.
        presence(event="notification:new"),
        presence(event="presence:away"),
        presence(room="acme/user:bob"),
        presence(room="acme/tenant:globex"),
        presence(seq=1),
        presence(user="bob"),
        presence(id=["alice"], user=["alice"]),
        presence(title="Your account is locked"),
        b"[" * 200_000 + PRESENCE_FRAME[1].encode(),
        "[7]".join(PRESENCE_FRAME).encode(),
        ("[" * 200_000).join(PRESENCE_FRAME).encode(),
    ],
)
def test_what_is_not_ours_and_what_is_garbage_does_no_harm(
    listening: tuple[QueueManager, Ear], own_redis: str, garbage: bytes, monkeypatch: pytest.MonkeyPatch
):
    manager, ear = listening
    handled: list[Any] = []
    for method in ("disconnect", "enter_room", "leave_room", "close_room", "callback"):
        monkeypatch.setattr(manager, f"_handle_{method}", handled.append)
    monkeypatch.setattr(RedisManager, "_handle_emit", lambda _, message: handled.append(message))
    before = ear.subscriptions
    with redis.Redis.from_url(own_redis) as client:
        client.publish(CHANNEL, garbage)
    writer = Publisher(own_redis, CHANNEL, factories.bus_secret)
    writer.publish([Group("still here", {}, [])])
    eventually(lambda: [group["event"] for group in ear.groups] == ["still here"])
    # The subscription is still the same one.
    assert (manager.listening, ear.subscriptions, handled) == (True, before, [])
    writer.close()


def test_presence_that_a_script_in_redis_announces_is_passed_on(listening: tuple[QueueManager, Ear], own_redis: str):
    _, ear = listening
    Leases(own_redis, CHANNEL).keep([Report("acme", "ali/ce \u00fc", "connection", "busy")])
    eventually(lambda: len(ear.groups) == 1)
    [group] = ear.groups
    assert (group["event"], group["rooms"]) == ("presence:busy", [("acme/tenant:acme", 0)])
    assert group["payload"]["user"] == group["payload"]["id"] == "ali/ce \u00fc"


def test_what_is_dropped_is_counted_and_fills_no_log(
    listening: tuple[QueueManager, Ear], own_redis: str, caplog: pytest.LogCaptureFixture
):
    manager, ear = listening
    before = metrics.UNSIGNED._value.get()
    with redis.Redis.from_url(own_redis) as client:
        for _ in range(50):
            client.publish(CHANNEL, b"x" * 100_000)
        # Another process's heartbeat is none of it.
        client.publish(CHANNEL, b'{"method": "heartbeat", "host_id": "another"}')
    eventually(lambda: metrics.UNSIGNED._value.get() == before + 50)
    assert manager.listening
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert {record.getMessage() for record in said} == {"messages without our signature dropped"}
    # They are written as one.
    assert len({_key(record) for record in said}) == 1
    assert len(str(said[0].__dict__)) < 2000
    assert ear.groups == []


def test_without_the_secret_nothing_is_believed_and_the_listener_tries_again(own_redis: str):
    given: list[bytes] = []

    def secret() -> bytes:
        if not given:
            raise KeyUnavailable("the database is away")
        return given[0]

    manager, ear, server = QueueManager(own_redis, CHANNEL, secret, HURRY), Ear(), Server()
    manager.set_server(server)
    manager.bind(ear)
    manager.initialize()
    eventually(lambda: manager.listening)
    writer = Publisher(own_redis, CHANNEL, factories.bus_secret)
    writer.publish([Group("lost", {}, [])])
    eventually(lambda: ear.subscriptions >= 2)
    given.append(factories.bus_secret())
    eventually(lambda: (writer.publish([Group("heard", {}, [])]), ear.groups)[1])
    assert {group["event"] for group in ear.groups} == {"heard"}
    writer.close()
    server.ended.set()
    with redis.Redis.from_url(own_redis) as client:
        for subscriber in subscribers(own_redis):
            client.client_kill_filter(_id=subscriber)


def test_the_listener_is_told_of_every_subscription(listening: tuple[QueueManager, Ear], own_redis: str):
    manager, ear = listening
    assert (ear.starts, ear.subscriptions) == (1, 1)
    with redis.Redis.from_url(own_redis) as client:
        [subscriber] = subscribers(own_redis)
        client.client_kill_filter(_id=subscriber)
    eventually(lambda: ear.subscriptions == 2)
    assert manager.listening
    assert not manager.deaf


def test_a_subscription_that_carries_nothing_is_given_up(
    listening: tuple[QueueManager, Ear], own_redis: str, monkeypatch: pytest.MonkeyPatch
):
    manager, ear = listening
    [before] = subscribers(own_redis)
    # As if the way from Redis to us were cut, and the way from us to Redis were not.
    heard = redis.client.PubSub.get_message
    cut = threading.Event()

    def get_message(self: Any, *args: Any, **options: Any) -> Any:
        message = heard(self, *args, **options)
        return None if cut.is_set() and message and message["type"] == "message" else message

    monkeypatch.setattr(redis.client.PubSub, "get_message", get_message)
    cut.set()
    eventually(lambda: ear.subscriptions >= 2)
    eventually(lambda: manager.deaf)
    assert subscribers(own_redis) != [before]
    cut.clear()
    eventually(lambda: not manager.deaf)


def test_redis_away_is_not_deafness(listening: tuple[QueueManager, Ear]):
    port = factories.free_port()
    manager, ear, server = started(f"redis://127.0.0.1:{port}/0", Timing(heartbeat=0.05, deaf_after=0.2))
    time.sleep(0.4)
    assert not manager.deaf
    assert not manager.listening
    assert ear.subscriptions == 0
    server.ended.set()


@pytest.mark.parametrize("manner", [support.closing, support.garbage])
def test_publishing_never_raises(manner: Callable[[socket.socket], None]):
    with support.server(manner) as port:
        assert QueueManager(f"redis://127.0.0.1:{port}/0", CHANNEL, factories.bus_secret, HURRY)._publish({}) is None


def test_nothing_is_connected_before_the_first_client(settings: Settings, engine: Engine):
    app = Flask(__name__)
    before = set(threading.enumerate())
    authenticator = Authenticator(JwtKeys.load(settings.jwks_file), Claims.of(settings), engine)
    server = attach(app, settings, factories.create_installation(engine), authenticator, Newcomers()).server
    # Not how many there are: those of other tests may end in between.
    assert set(threading.enumerate()) <= before
    assert [number for number, _ in server.manager.redis.connection_pool.get_connection_count()] == [0, 0]
    assert not server.manager.deaf
    assert server.eio.max_http_buffer_size == 64 * 1024
    assert not server.async_handlers
    assert not server.always_connect
    assert server.eio.ping_interval == settings.socketio_ping_interval
