"""What is lost between the ledger and the screen comes out of the log, without the client asking."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from sqlalchemy import Engine

from models.deliveries.lifecycle import Failure, RetryLater, Sent
from tests import factories
from tests.channels import support
from tests.conftest import redis_program
from tests.waiting import eventually
from tests.web.realtime.stack import Stack, Web
from tests.web.realtime.test_live import states

pytestmark = pytest.mark.slow


def test_what_was_never_published_arrives(stack: Stack):
    client = stack.client()
    for polling in (False, True):
        other = stack.client(transport="polling" if polling else "websocket")
        lost = stack.append(3)
        eventually(lambda lost=lost: client.seqs()[-1:] == [lost[-1].rooms[0][1]])
        eventually(lambda other=other, lost=lost: other.order()[-3:] == [g.rooms[0][1] for g in lost])
    assert client.order() == list(range(1, 7))


def test_a_notification_whose_worker_died_before_it_published_arrives(stack: Stack):
    clients = [stack.client(), stack.client(transport="polling")]
    bob = stack.client("bob")
    bob.close()
    healed = stack.web.metric("carillon_socket_healed_total")
    # Committed, and not published.
    lost = stack.write(audience={"users": [{"id": "alice"}, {"id": "bob"}]}, title="Lost")
    assert states(stack) == ["sent"]
    eventually(lambda: [client.titles() for client in clients] == [["Lost"]] * 2)
    assert stack.web.metric("carillon_socket_healed_total") > healed, "nobody else has told them"
    assert clients[0].call("notification:ack", {"ids": [str(lost)]}) == {"ok": True, "acked": 1}
    assert states(stack) == ["acked"]
    assert stack.client("bob", cursor=bob.ready["cursor"]).titles() == ["Lost"]
    # It was only slow: what is known is not told again.
    stack.publish()
    stack.notify(title="After")
    eventually(lambda: all(client.has(1, 2) for client in clients))
    assert [client.order() for client in clients] == [[1, 2]] * 2


def test_a_gap_is_filled(stack: Stack):
    client = stack.client()
    groups = stack.append(6)
    stack.writer.publish(groups[:1] + groups[3:4])
    eventually(lambda: client.order() == [1, 4])
    # Late is not lost.
    stack.writer.publish(groups[1:2])
    eventually(lambda: client.has(1, 6))
    assert sorted(client.order()) == list(range(1, 7)), "nothing came twice"
    # What is published once more is known.
    stack.writer.publish(groups)
    stack.writer.publish(stack.append(1))
    eventually(lambda: client.has(1, 7))
    assert sorted(client.order()) == list(range(1, 8))


def test_two_web_processes_behind_one_redis(webs: Callable[[str], tuple[Web, Engine]], tmp_path: Path):
    web, engine = webs("gevent-postgresql")
    stack = Stack(web, engine, "two-processes")
    second = Web(stack.settings, "threading", tmp_path / "second.log")
    try:
        second.start()
        other = Stack(second, engine, "two-processes")
        clients = [stack.client(), other.client(), other.client("bob")]
        eventually(lambda: web.health()["listening"] and second.health()["listening"])
        stack.notify(title="One")
        eventually(lambda: clients[0].titles() == ["One"] and clients[1].titles() == ["One"])
        assert clients[2].titles() == []
        # One process ends; its client goes on at the other, from where it was.
        ready = clients[1].ready
        other.close()
        second.stop()
        stack.notify(title="Two")
        moved = stack.client(cursor=ready["cursor"], positions={"user:alice": 1})
        assert moved.titles() == ["Two"]
    finally:
        second.stop()
        stack.close()


class Redis:
    """A Redis to be killed and started again on the same port."""

    def __init__(self) -> None:
        self.port = factories.free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [redis_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""], stdout=subprocess.DEVNULL
        )
        client = redis.Redis(port=self.port)
        eventually(lambda: self._answers(client))
        client.close()

    def _answers(self, client: redis.Redis) -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def own_redis() -> Iterator[Redis]:
    own = Redis()
    own.start()
    yield own
    own.kill()


@pytest.mark.parametrize(
    ("database_url", "mode"), [("postgresql", "gevent"), ("sqlite", "threading")], indirect=["database_url"]
)
def test_redis_is_killed_and_comes_back(mode: str, database_url: str, engine: Engine, own_redis: Redis, tmp_path: Path):
    settings = factories.create_settings(tmp_path, DATABASE_URL=database_url, REDIS_URL=own_redis.url)
    web = Web(settings, mode, tmp_path / "web.log")
    try:
        stack = Stack(web.start(), engine, "acme")
        client = stack.client()
        stack.notify(title="1")
        eventually(lambda: client.titles() == ["1"])
        own_redis.kill()
        stack.write(title="2")
        [outcome] = stack.channel.send([support.message("user:alice", seq=2)])
        assert isinstance(outcome, RetryLater)
        assert outcome.failure is Failure.PROVIDER_DOWN
        # Nobody needs Redis to connect, nor to catch up.
        assert stack.client(last_seq=0).titles() == ["1", "2"]
        eventually(lambda: client.titles() == ["1", "2"])
        own_redis.start()
        stack.write(title="3")
        eventually(lambda: web.health()["listening"])
        stack.notify(title="4")
        eventually(lambda: client.has(1, 4))
        assert client.titles() == ["1", "2", "3", "4"]
        assert not client.ended
        assert web.health()["deaf"] is False
        [outcome] = stack.channel.send([support.message("user:alice", seq=4)])
        assert isinstance(outcome, Sent)
    finally:
        web.stop()
        stack.close()


def test_a_subscription_that_died_unnoticed_is_replaced(stack: Stack):
    client = stack.client()
    eventually(lambda: stack.web.health()["listening"])
    before = stack.web.metric("carillon_queue_subscriptions_total")
    with redis.Redis.from_url(stack.settings.redis_url) as control:
        channel = stack.settings.bus_topic
        assert control.pubsub_numsub(channel)[0][1] == 1
        # Taken off the channel behind its back: the connection is fine, and silent.
        for connection in control.client_list():
            if connection["sub"] == "1" and connection["cmd"] == "subscribe":
                control.client_kill_filter(_id=connection["id"])
        eventually(lambda: control.pubsub_numsub(channel)[0][1] == 1)
    eventually(lambda: stack.web.metric("carillon_queue_subscriptions_total") > before)
    groups = stack.append(1)
    time.sleep(0.05)
    stack.writer.publish(groups)
    eventually(lambda: client.has(1, 1))
