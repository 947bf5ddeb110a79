"""Events of services over real processes: from POST /v1/events to the open page."""

from __future__ import annotations

import signal
import time

import pytest
import requests

from tests.pipeline.system import System
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def publish(system: System, type_: str, **data: object) -> None:
    answer = requests.post(
        f"{system.url}/v1/events",
        json={"audience": {"tenant": True}, "type": type_, "data": data},
        headers={"Authorization": f"Bearer {system.key}"},
        timeout=10,
    )
    assert answer.status_code == 202, answer.text


def test_an_event_is_on_the_page_in_a_moment_and_a_burst_is_one(system: System):
    system.start("redis", "web", "worker", "relay")
    with system.screen() as screen:
        eventually(lambda: [event for event, _ in screen.heard if event == "session:ready"])
        publish(system, "expense:created", id=1)
        eventually(lambda: [d["id"] for e, d in screen.heard if e == "expense:created"] == [1])
        for value in range(20):
            publish(system, "stream:pond_update", pond_id="p", field="oxygen", value=value)
        eventually(lambda: [d["value"] for e, d in screen.heard if e == "stream:pond_update"][-1:] == [19])
        assert len([e for e, _ in screen.heard if e == "stream:pond_update"]) < 20


def test_a_worker_that_is_killed_leaves_its_events_to_the_next(system: System):
    system.start("redis", "web", "worker", "relay")
    with system.screen() as screen:
        eventually(lambda: [event for event, _ in screen.heard if event == "session:ready"])
        system.signal("worker", signal.SIGSTOP)
        publish(system, "expense:created", id=1)
        time.sleep(0.5)
        system.kill("worker")
        system.start("worker-2")
        eventually(lambda: [d["id"] for e, d in screen.heard if e == "expense:created"] == [1], within=20)


def test_while_redis_is_away_nothing_is_lost(system: System):
    system.start("redis", "web", "worker", "relay")
    with system.screen() as screen:
        eventually(lambda: [event for event, _ in screen.heard if event == "session:ready"])
        system.kill("redis")
        for n in range(5):
            publish(system, "expense:created", id=n)
        system.start("redis")
        heard = lambda: sorted({d["id"] for e, d in screen.heard if e == "expense:created"})  # noqa: E731
        eventually(lambda: heard() == [0, 1, 2, 3, 4], within=40)
