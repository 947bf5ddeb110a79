"""The in-app channel: what a batch looks like on the bus, and what happens without Redis or a web process."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import socketio

from bus.envelope import BATCH, MAX_BYTES, room_name
from bus.publisher import Publisher
from channels import in_app
from channels.in_app import InAppChannel
from channels.lab import LabScreen
from models.deliveries.lifecycle import Failure, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Action
from tests.channels import support
from tests.channels.support import content, message
from tests.factories import bus_secret, free_port

TOPIC = "carillon-test"


class Listener:
    """Subscribes to the bus as a web process does."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(TOPIC)
        self._pubsub.get_message(timeout=5)

    def messages(self, number: int) -> list[dict[str, Any]]:
        """Return the next messages. Fails if there are more than `number`."""
        found = [self._next(5.0) for _ in range(number)]
        assert self._next(0.05) is None
        return [json.loads(data) for data in found if data is not None]

    def _next(self, timeout: float) -> bytes | None:
        got = self._pubsub.get_message(timeout=timeout)
        return got["data"] if got else None

    def groups(self) -> list[dict[str, Any]]:
        [one] = self.messages(1)
        [groups] = one["data"]
        return groups

    def close(self) -> None:
        self._pubsub.close()
        self._client.close()


@pytest.fixture
def channel(redis_server: str) -> Iterator[InAppChannel]:
    channel = InAppChannel(Publisher(redis_server, TOPIC, bus_secret))
    yield channel
    channel.close()


@pytest.fixture
def listener(redis_server: str) -> Iterator[Listener]:
    listener = Listener(redis_server)
    yield listener
    listener.close()


def kinds(outcomes: Any) -> list[type[Outcome]]:
    return [type(outcome) for outcome in outcomes]


def test_a_batch_is_one_message_that_holds_each_content_once(channel: InAppChannel, listener: Listener):
    one, two = content(title="One"), content(title="Two", tenant="other")
    batch = [
        message("user:alice", about=one, user="alice", seq=4),
        message("user:bob", about=two, user="bob", seq=1),
        message("user:carol", about=one, user="carol", seq=9),
        message("user:alice", about=one, user="alice", seq=5, action=Action.WITHDRAW),
    ]
    assert kinds(channel.send(batch)) == [Sent] * 4
    groups = listener.groups()
    assert [(g["event"], g["payload"].get("title"), g["rooms"]) for g in groups] == [
        ("notification:new", "One", [["acme/user:alice", 4], ["acme/user:carol", 9]]),
        ("notification:new", "Two", [["other/user:bob", 1]]),
        ("notification:deleted", None, [["acme/user:alice", 5]]),
    ]
    assert groups[2]["payload"] == {"id": one.notification_id, "notification_id": one.notification_id}


def test_the_message_has_the_form_of_the_socketio_queue(channel: InAppChannel, listener: Listener):
    channel.send([message("user:alice")])
    [sent] = listener.messages(1)
    reference = socketio.RedisManager("redis://", write_only=True)
    published: list[dict[str, Any]] = []
    reference._handle_emit = lambda _: None
    reference._publish = published.append
    reference.emit(BATCH, {}, room="x", namespace="/")
    assert set(sent) == {*published[0], "mac"}
    assert (sent["method"], sent["event"], sent["namespace"]) == ("emit", BATCH, "/")
    assert len(sent["host_id"]) == len(published[0]["host_id"])
    # A Socket.IO server that does not know this event emits it to a room without members.
    assert sent["room"] == BATCH


def test_only_a_very_large_batch_is_split(channel: InAppChannel, listener: Listener):
    texts = [content(message="x" * 10_000, data={"n": n}) for n in range(250)]
    batch = [message("user:alice", about=text, seq=n) for n, text in enumerate(texts)]
    assert kinds(channel.send(batch)) == [Sent] * 250
    sent = listener.messages(3)
    assert all(len(json.dumps(one)) < 1.1 * MAX_BYTES for one in sent)
    assert [group["rooms"][0][1] for one in sent for group in one["data"][0]] == list(range(250))


def test_one_content_for_very_many_rooms_is_split(channel: InAppChannel, listener: Listener):
    about = content(message="x" * 10_000)
    users = [f"{n:05}" + "ü" * 120 for n in range(2500)]
    batch = [message("", about=about, user=user, seq=1) for user in users]
    assert kinds(channel.send(batch)) == [Sent] * len(batch)
    sent = listener.messages(2)
    assert [room for one in sent for group in one["data"][0] for room, _ in group["rooms"]] == [
        room_name("acme", f"user:{user}") for user in users
    ]


def test_one_content_for_a_thousand_rooms_is_one_small_message(channel: InAppChannel, listener: Listener):
    about = content()
    batch = [message("", about=about, user=f"user-{n}", seq=1) for n in range(1000)]
    channel.send(batch)
    [sent] = listener.messages(1)
    assert len(json.dumps(sent)) < 60_000


def test_a_send_without_redis_is_retried_and_does_not_log_the_password(caplog: pytest.LogCaptureFixture):
    channel = InAppChannel(Publisher(f"redis://:secret@127.0.0.1:{free_port()}/0", TOPIC, bus_secret))
    outcomes = channel.send([message("user:alice"), message("user:bob")])
    assert outcomes == [RetryLater("redis: ConnectionError", Failure.PROVIDER_DOWN)] * 2
    channel.close()
    assert "secret" not in caplog.text


def test_only_published_messages_count_as_sent(channel: InAppChannel, monkeypatch: pytest.MonkeyPatch):
    texts = [content(message="x" * 10_000) for _ in range(150)]
    results = iter([1, redis.TimeoutError("late")])

    def publish(_: Any) -> int:
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(Publisher, "_publish", lambda _, data: publish(data))
    outcomes = kinds(channel.send([message("user:alice", about=text) for text in texts]))
    assert 50 < outcomes.count(Sent) < 120
    assert outcomes == sorted(outcomes, key=lambda kind: kind is RetryLater)


def test_a_missing_web_process_is_logged(redis_server: str, caplog: pytest.LogCaptureFixture):
    channel = InAppChannel(Publisher(redis_server, TOPIC, bus_secret))
    caplog.set_level(logging.WARNING, "channels.in_app")
    assert kinds(channel.send([message("user:alice")])) == [Sent]
    assert [record.getMessage() for record in caplog.records] == ["no web process listens"]
    channel.close()


def test_only_a_message_without_a_seq_is_rejected(channel: InAppChannel, listener: Listener):
    outcomes = channel.send([message("user:alice", seq=None), message("user:bob", user="bob", seq=3)])
    assert kinds(outcomes) == [Rejected, Sent]
    assert [group["rooms"] for group in listener.groups()] == [[["acme/user:bob", 3]]]


def test_threads_share_one_publisher(redis_server: str, listener: Listener):
    channel = InAppChannel(Publisher(redis_server, TOPIC, bus_secret))

    def send(number: int) -> list[type[Outcome]]:
        return [kind for turn in range(20) for kind in kinds(channel.send([message("", seq=100 * number + turn)]))]

    assert support.threads(8, send) == [[Sent] * 20] * 8
    seqs = [one["data"][0][0]["rooms"][0][1] for one in listener.messages(160)]
    assert sorted(seqs) == [100 * number + turn for number in range(8) for turn in range(20)]
    channel.close()


def test_live_keys_publish_and_test_keys_use_the_lab():
    def build(mode: str, **environ: str) -> Any:
        return in_app.build(support.Settings.from_env(environ), mode)

    lab = {"CARILLON_LAB_URL": "http://127.0.0.1:1"}
    assert isinstance(build("live"), InAppChannel)
    assert isinstance(build("live", **lab), InAppChannel)
    assert isinstance(build("test", **lab), LabScreen)
    assert build("test") is None
