"""Events of the catalogue on their whole way: from a transaction to the screen, live and replayed."""

from __future__ import annotations

import threading

import pytest

from actions.installation import utc_now
from models.events.emit import emit, emit_to_users
from models.sql.engine import write
from tests.bells import RecordingBells
from tests.waiting import eventually
from tests.web.realtime.stack import Stack
from workers.publish import publish
from workers.runtime import Runtime

pytestmark = pytest.mark.slow


@pytest.fixture
def run(stack: Stack) -> Runtime:
    """A worker's hands."""
    return Runtime(stack.engine, {}, RecordingBells(), lease=60, publisher=stack.writer)


def test_what_was_emitted_is_heard_live_and_by_who_comes_later(stack: Stack, run: Runtime):
    clients = [stack.client(), stack.client("bob")]
    start = clients[0].ready
    with write(stack.engine) as connection:
        emit(connection, stack.tenant, f"tenant:{stack.tenant}", "expense:created", {"id": "e1", "n": 1}, utc_now())
        emit_to_users(connection, stack.tenant, ["alice", "bob"], "sns:post_liked", {"post_id": 7}, utc_now())
    assert publish(run)
    eventually(lambda: all(client.all("expense:created") and client.all("sns:post_liked") for client in clients))
    [heard] = clients[0].all("expense:created")
    assert (heard["id"], heard["n"], heard["room"], heard["seq"]) == ("e1", 1, f"tenant:{stack.tenant}", 1)
    assert heard["created_at"].endswith("Z")
    # One emission has one id on every screen.
    assert len({client.all("sns:post_liked")[0]["id"] for client in clients}) == 1
    late = stack.client(cursor=start["cursor"])
    eventually(lambda: late.all("expense:created"))
    assert late.all("expense:created") == [heard]
    assert late.all("sns:post_liked") == clients[0].all("sns:post_liked")


def test_a_burst_is_heard_once_in_each_window(stack: Stack, run: Runtime):
    client = stack.client()
    sensors = [threading.Thread(target=_measure, args=(stack, run, pond)) for pond in ("a", "b")]
    for sensor in sensors:
        sensor.start()
    for sensor in sensors:
        sensor.join()
    publish(run)
    last = {"a": 49, "b": 49}
    eventually(lambda: {p["pond_id"]: p["value"] for p in client.all("stream:pond_update")} == last)
    assert len(client.all("stream:pond_update")) < 60


def _measure(stack: Stack, run: Runtime, pond: str) -> None:
    for value in range(50):
        data = {"pond_id": pond, "field": "oxygen", "value": value}
        with write(stack.engine) as connection:
            emit(connection, stack.tenant, f"tenant:{stack.tenant}", "stream:pond_update", data, utc_now())
        publish(run)
