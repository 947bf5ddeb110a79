"""A Redis that neither answers nor refuses: push and mail go on, and no caller waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager

import pytest

from tests.faults import Proxy, frozen
from tests.pipeline.system import System
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

NAMES = ("redis", "lab", "web", "worker", "relay")
Fault = AbstractContextManager[None]

# Notifications a second, each with a push and a mail, for how many seconds, and when counting begins: the relay looks
# for what no worker has begun two seconds after it was accepted.
RATE, SECONDS, BEGIN = 10, 9.0, 4.0


@contextmanager
def server_stopped(system: System) -> Iterator[Fault]:
    system.start(*NAMES)
    yield frozen(system.processes["redis"].pid)


@contextmanager
def packets_dropped(system: System) -> Iterator[Fault]:
    with closing(Proxy(("127.0.0.1", system.ports["redis"]))) as proxy:
        system.environment["REDIS_URL"] = system.environment["BROKER_URL"] = f"redis://127.0.0.1:{proxy.port}/0"
        system.start(*NAMES)
        yield proxy.dropping()


@pytest.mark.parametrize("started", [server_stopped, pytest.param(packets_dropped, marks=pytest.mark.long)])
def test_push_and_mail_go_on_at_half_of_their_rate_and_the_api_answers(
    system: System, started: Callable[[System], AbstractContextManager[Fault]]
):
    took: list[float] = []

    def post(at: float) -> str:
        time.sleep(max(at - time.monotonic(), 0))
        asked = time.monotonic()
        answer = system.post()
        took.append(time.monotonic() - asked)
        assert answer.status_code == 202
        return str(answer.json()["id"])

    with started(system) as fault, ThreadPoolExecutor(RATE) as callers:
        ids = [post(0)]
        eventually(lambda: len(system.received()) == 2)
        with fault:
            began = time.monotonic()
            posted = [callers.submit(post, began + number / RATE) for number in range(int(RATE * SECONDS))]
            time.sleep(BEGIN)
            before = len(system.received())
            ids += [one.result() for one in posted]
            sent, seconds = len(system.received()) - before, time.monotonic() - began - BEGIN
        eventually(lambda: len(system.received()) == 2 * len(ids), within=90)
    assert sorted(m["notification_id"] for m in system.received()) == sorted(ids * 2)
    assert sent / seconds >= 2 * RATE / 2
    assert max(took) < 2
