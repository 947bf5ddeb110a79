"""What a worker takes from Redis: whatever lies there, it goes on, and only bells and questions reach Celery."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from kombu import Queue

from bus.bells import Bells
from config.repeated_records import _key
from tests.databases import sqlite_file
from tests.pipeline.system import System
from tests.waiting import eventually
from workers import tasks
from workers.app import app
from workers.broker import as_bell, as_question

# A worker imports them when it starts.
assert tasks.DELIVER_TASKS
QUEUE = "carillon:deliver"
CONTROL = "carillon:/0.celery.pidbox"


class Evil:
    def __reduce__(self) -> Any:
        return eval, ("1/0",)


def message(content: object, **other: Any) -> dict[str, Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {
        "body": base64.b64encode(body).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {},
        "properties": {
            "delivery_tag": str(uuid4()),
            "delivery_info": {"exchange": "", "routing_key": "deliver"},
            "body_encoding": "base64",
            "priority": 0,
        },
    } | other


def bell(
    arguments: object = (),
    task: str = "publish",
    content: object = None,
    headers: dict[str, Any] | None = None,
    **other: Any,
) -> dict[str, Any]:
    its = {"lang": "py", "task": task, "id": str(uuid4()), "expires": None, "retries": 0} | (headers or {})
    return message([arguments, {}, {}] if content is None else content, headers=its, **other)


def order(method: object = "ping", **other: Any) -> dict[str, Any]:
    return message({"method": method, "arguments": {}, "destination": None, "pattern": None, "matcher": None} | other)


GARBAGE: list[Any] = [
    b"",
    b"\xff\x00",
    b"{",
    b"7",
    b"null",
    b"[]",
    b"{}",
    b'"text"',
    b"[" * 200_000,
    message([[], {}, {}]),
    bell(headers={"task": "os.system"}),
    bell(headers={"task": "celery.chord_unlock"}),
    bell(headers={"task": ["publish"]}),
    bell(headers={"id": {"a": 1}}),
    bell(headers={"id": "x" * 10_000}),
    bell(headers={"expires": "soon"}),
    bell(headers={"expires": 7}),
    bell() | {"headers": [1]},
    bell() | {"headers": None},
    bell() | {"properties": 7},
    bell() | {"properties": {}},
    bell() | {"body": 7},
    bell() | {"body": "ä"},
    bell(content=b"\xff{"),
    bell(content="x"),
    bell(content=[]),
    bell(content=[{"a": 1}, [], None]),
    bell(content=[[7], {}, {}]),
    bell(content=[[["a"]], {}, {}]),
    bell(content=[["x" * 1000], {}, {}]),
    bell(content=[[], {"a": 1}, {}]),
    # What Celery would do after the task.
    bell(content=[[], {}, {"callbacks": [{"task": "purge"}], "errbacks": None}]),
    bell(content=[[], {}, {"chain": "z"}]),
    bell(content=b"[" * 200_000),
    bell(content=pickle.dumps([Evil()]), **{"content-type": "application/x-python-serialize"}),
    bell(content=b"!!python/object/apply:eval ['1/0']", **{"content-type": "application/x-yaml"}),
    bell(**{"content-encoding": "binary"}),
]


def as_bytes(one: Any) -> bytes:
    return one if isinstance(one, bytes) else json.dumps(one).encode()


@pytest.fixture
def taken(redis_server: str) -> Iterator[Any]:
    """What a consumer of the queue gets within a second of the first, as (task, arguments)."""
    got: list[tuple[str, Any]] = []

    def handle(body: Any, received: Any) -> None:
        got.append((received.headers["task"], body[0]))
        received.ack()

    with (
        app.connection_for_read(redis_server) as connection,
        connection.Consumer(Queue("deliver"), callbacks=[handle], accept=["json"]),
    ):

        def take() -> list[tuple[str, Any]]:
            end = time.monotonic() + 10
            while not got and time.monotonic() < end:
                with suppress(TimeoutError):
                    connection.drain_events(timeout=0.2)
            return got

        yield take


@pytest.mark.parametrize("number", range(len(GARBAGE)))
def test_garbage_in_a_queue_is_dropped_and_the_next_bell_is_heard(number: int, redis_server: str, taken: Any):
    with redis.Redis.from_url(redis_server) as client:
        client.lpush(QUEUE, as_bytes(GARBAGE[number]))
        client.lpush(QUEUE, as_bytes(bell()))
        assert taken() == [("publish", [])]
        # It is not kept to be tried again, either.
        assert (client.llen(QUEUE), client.hlen("carillon:unacked")) == (0, 0)


def test_a_bell_is_what_bells_send_and_its_arguments_are_kept(redis_server: str):
    notification = uuid4()
    bells = Bells(redis_server)
    assert bells.expand(notification, 0)
    assert bells.publish()
    bells.close()
    with redis.Redis.from_url(redis_server) as client:
        found = [json.loads(client.rpop(key)) for key in ("carillon:intake", "carillon:deliver\x06\x162")]
    kept = [as_bell(one) for one in found]
    assert [one["headers"]["task"] for one in kept] == ["expand", "publish"]
    assert [json.loads(base64.b64decode(one["body"]))[0] for one in kept] == [[str(notification)], []]
    # An expired bell is dropped by Celery.
    assert all(one["headers"]["expires"] == given["headers"]["expires"] for one, given in zip(kept, found, strict=True))
    assert [one["properties"]["delivery_tag"] for one in kept] == [f["properties"]["delivery_tag"] for f in found]


def test_what_celery_would_also_read_of_a_message_is_left_out():
    forged = bell(headers={"eta": "2999-01-01T00:00:00+00:00", "compression": "x", "timelimit": "x", "stamps": 7})
    assert not {"eta", "compression", "timelimit", "stamps"} & set(as_bell(forged)["headers"])


@pytest.mark.parametrize("method", ["shutdown", "pool_shrink", "revoke", "cancel_consumer", "rate_limit", "x", 7, None])
def test_a_worker_obeys_no_orders(method: object):
    with pytest.raises(ValueError, match="method"):
        as_question(order(method))


def test_a_worker_answers_questions():
    asked = order("active_queues", ticket="t", reply_to={"exchange": "reply.celery.pidbox", "routing_key": "r"})
    question = json.loads(base64.b64decode(as_question(asked)["body"]))
    assert (question["method"], question["ticket"]) == ("active_queues", "t")
    assert "arguments" not in question


def test_a_bell_for_what_is_no_page_asks_for_nothing():
    tasks.expand_task("x", "", f"{uuid4()}:-1:0")


def test_dropped_items_fill_no_log(redis_server: str, taken: Any, caplog: pytest.LogCaptureFixture):
    with redis.Redis.from_url(redis_server) as client:
        client.lpush(QUEUE, *[b"x" * 100_000] * 30)
        client.lpush(QUEUE, as_bytes(bell()))
    taken()
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert {record.getMessage() for record in said} == {"messages dropped: no bells and no questions"}
    # They are written as one.
    assert len({_key(record) for record in said}) == 1
    assert len(str(said[0].__dict__)) < 2000


@pytest.mark.slow
def test_a_worker_survives_garbage_and_orders_and_still_answers(request: pytest.FixtureRequest, tmp_path: Path):
    with sqlite_file(request.getfixturevalue("_sqlite_template")) as url:
        system = System(url, tmp_path)
        try:
            system.start("redis", "worker")
            for one in GARBAGE:
                system.redis.lpush(QUEUE, as_bytes(one))
            for one in (*GARBAGE, *map(order, ("shutdown", "x", 7)), order("ping", destination=7)):
                system.redis.publish(CONTROL, as_bytes(one))
            for tag, kept in (("a", "{"), ("b", "7"), ("c", '[7, "", ""]')):
                system.redis.hset("carillon:unacked", tag, kept)
                system.redis.zadd("carillon:unacked_index", {tag: 1})
            bells = Bells(system.settings.broker_url)
            assert "deliver" in eventually(bells.served_queues)
            assert bells.expand(uuid4(), 0)
            bells.close()
            eventually(lambda: not system.redis.exists("carillon:intake", QUEUE))
            # Looked through every ten seconds.
            eventually(lambda: not system.redis.exists("carillon:unacked", "carillon:unacked_index"), within=30)
            assert system.processes["worker"].poll() is None
            log = (tmp_path / "worker.log").read_text()
            # Of the last item in `unacked`, which kombu says once.
            assert log.count("Traceback") <= 1
            # One for each place and error.
            assert 1 <= log.count("messages dropped") <= 12
        finally:
            system.stop()
