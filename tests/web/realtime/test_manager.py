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
from sqlalchemy import Engine

from actions.tokens import Claims
from bus.envelope import Group
from bus.publisher import Publisher
from config.jwt_keys import JwtKeys
from config.settings import Settings
from tests import factories
from tests.channels import support
from tests.conftest import redis_process
from tests.waiting import eventually
from web.auth import Authenticator
from web.newcomers import Newcomers
from web.realtime import attach
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
    manager, ear, server = QueueManager(url, CHANNEL, timing), Ear(), Server()
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
    writer = Publisher(own_redis, CHANNEL)
    assert writer.publish([Group("a", {"n": 1}, [("acme/user:alice", 1)]), Group("b", {}, [])]) == 1
    assert writer.publish([Group("c", {"not a number": float("nan")}, [])]) == 1
    eventually(lambda: len(ear.groups) == 3)
    assert [group["event"] for group in ear.groups] == ["a", "b", "c"]
    assert ear.groups[0] == {"event": "a", "payload": {"n": 1}, "rooms": [["acme/user:alice", 1]]}
    writer.close()


def test_what_is_not_ours_and_what_is_garbage_does_no_harm(listening: tuple[QueueManager, Ear], own_redis: str):
    manager, ear = listening
    writer = Publisher(own_redis, CHANNEL)
    with redis.Redis.from_url(own_redis) as client:
        for garbage in (
            b"\xff\x00",
            b"{",
            b"[]",
            b"7",
            b'{"method":"emit","event":"carillon:batch"}',
            b'{"method":"?"}',
        ):
            client.publish(CHANNEL, garbage)
        bad = {"method": "emit", "event": "carillon:batch", "data": 5}
        client.publish(CHANNEL, json.dumps(bad))
        # Another process's heartbeat.
        client.publish(CHANNEL, json.dumps({"method": "heartbeat", "host_id": "another"}))
    writer.publish([Group("still here", {}, [])])
    eventually(lambda: [group["event"] for group in ear.groups] == ["still here"])
    assert manager.listening
    writer.close()


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
        assert QueueManager(f"redis://127.0.0.1:{port}/0", CHANNEL, HURRY)._publish({"method": "disconnect"}) is None


def test_nothing_is_connected_before_the_first_client(settings: Settings, engine: Engine):
    app = Flask(__name__)
    before = set(threading.enumerate())
    authenticator = Authenticator(JwtKeys.load(settings.jwks_file), Claims.of(settings), engine)
    server = attach(app, settings, factories.create_installation(engine), authenticator, Newcomers()).server
    # Not how many there are: those of other tests may end in between.
    assert set(threading.enumerate()) <= before
    assert server.manager.redis is None
    assert not server.manager.deaf
    assert server.eio.max_http_buffer_size == 64 * 1024
    assert not server.async_handlers
    assert not server.always_connect
    assert server.eio.ping_interval == settings.socketio_ping_interval
