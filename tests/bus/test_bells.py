from __future__ import annotations

import os
import subprocess
import sys
import time
from uuid import UUID, uuid4

import pytest
import redis

from bus import bells as module
from bus.bells import Bells, Page
from tests.waiting import eventually


def test_a_bell_without_a_broker_is_given_up_quickly_and_the_next_at_once():
    bells = Bells("redis://127.0.0.1:1/1")
    start = time.monotonic()
    bells.expand(uuid4(), 2)
    eventually(lambda: not bells.deliver("push"), within=5)
    start = time.monotonic()
    assert not bells.deliver("push")
    # Celery itself would try for several seconds.
    assert time.monotonic() - start < 1


def test_short_time_outs_are_those_of_bells_alone():
    from workers.app import app

    bells = Bells("redis://127.0.0.1:1/0")
    assert bells._celery.conf.broker_transport_options["socket_timeout"] == 1
    assert app.conf.broker_transport_options["socket_timeout"] == 10


@pytest.mark.parametrize(
    "url", ["sentinel://127.0.0.1:1", "nonsense://127.0.0.1", "amqp://127.0.0.1:1//", "redis://127.0.0.1:1/x"]
)
def test_a_bell_never_raises_whatever_the_broker_is(url, caplog):
    bells = Bells(url)
    bells.expand(uuid4(), 2)
    eventually(lambda: caplog.records)
    assert not bells.deliver("push")
    assert [record.getMessage() for record in caplog.records] == ["bell not sent"]


def test_a_bell_that_a_transport_refuses_with_an_error_of_its_own_is_not_sent(monkeypatch, caplog):
    class NotImplementedByQuorumQueues(Exception):
        pass

    bells = Bells("redis://127.0.0.1:1/2")

    def refuse(*_args, **_options):
        raise NotImplementedByQuorumQueues

    monkeypatch.setattr(bells._celery, "send_task", refuse)
    bells.publish()
    eventually(lambda: "NotImplementedByQuorumQueues" in caplog.text)
    assert not bells.publish()


@pytest.mark.parametrize("page", [Page(UUID(int=7)), Page(UUID(int=2**128 - 1), 0), Page(uuid4(), 10**17, 3)])
def test_a_page_is_read_as_it_was_written(page: Page):
    assert Page.parse(str(page)) == page


@pytest.mark.parametrize(
    "argument",
    [
        "",
        "x",
        "7",
        f"{UUID(int=7)}:",
        f"{UUID(int=7)}:1",
        f"{UUID(int=7)}:-1:0",
        f"{UUID(int=7)}:1e5:x",
        f"{UUID(int=7)}:{'9' * 19}:0",
        f"{UUID(int=7)}:1:0:0",
        f"{UUID(int=7)}\n",
        f"{UUID(int=7)}:1:" + "9" * 5000,
        "\udfff",
        f"{{{UUID(int=7)}}}",
        "\u0661" * 36,
    ],
)
def test_what_is_no_page_is_refused(argument: str):
    with pytest.raises(ValueError, match="no page"):
        Page.parse(argument)


def test_bells_of_a_queue_that_nobody_serves_are_dropped_when_they_are_many(redis_server, monkeypatch, caplog):
    monkeypatch.setattr(module, "MANY", 3)
    bells = Bells(redis_server)
    monkeypatch.setattr(bells, "served_queues", lambda: {"intake"})
    store = redis.Redis.from_url(redis_server)
    for number in range(5):
        assert bells.ring(f"push {number}", [], "push", lane=number)
        assert bells.ring(f"intake {number}", [], "intake")
    assert bells.deliver("email")
    bells._sender.wait()
    bells.drop_unserved()
    assert sorted(store.keys("carillon:*\x06*")) == [b"carillon:intake\x06\x162", b"carillon:mail\x06\x162"]
    assert [record.queue for record in caplog.records] == ["push"]
    bells.close()


def test_queues_are_not_looked_at_without_a_broker():
    bells = Bells("redis://127.0.0.1:1/3")
    bells.drop_unserved()
    bells.deliver("push")
    eventually(lambda: not bells.deliver("push"))
    began = time.monotonic()
    bells.drop_unserved()
    assert time.monotonic() - began < 1


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_relay_keeps_the_queues_bounded(redis_server, database_url, tmp_path):
    store = redis.Redis.from_url(redis_server)
    store.lpush("carillon:push\x06\x162", *range(module.MANY + 1))
    environ = {
        **os.environ,
        "CARILLON_ENV": "development",
        "CARILLON_VAR": str(tmp_path),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_server,
        "BROKER_URL": redis_server,
    }
    relay = subprocess.Popen([sys.executable, "-m", "workers.relay"], env=environ)
    try:
        eventually(lambda: not store.exists("carillon:push\x06\x162"), within=60)
    finally:
        relay.terminate()
        assert relay.wait(30) == 0
