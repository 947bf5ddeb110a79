from __future__ import annotations

import subprocess
import sys
import threading
import time
from uuid import uuid4

import pytest

from bus.bells import Bells, Debounced
from tests.databases import ROOT

NOWHERE = "redis://127.0.0.1:1/0"


class Bell:
    def __init__(self) -> None:
        self.at: list[float] = []
        self.what: list[list[str]] = []

    def __call__(self, what: list[str]) -> bool:
        self.at.append(time.monotonic())
        self.what.append(what)
        return True


@pytest.fixture
def bell() -> Bell:
    return Bell()


def test_the_first_sounds_at_once(bell):
    assert Debounced(bell)()
    assert len(bell.at) == 1


def test_a_burst_sounds_twice_and_the_last_is_heard(bell):
    debounced = Debounced(bell, gap=0.3)
    for _ in range(100):
        assert debounced()
    last = time.monotonic()
    assert len(bell.at) == 1
    time.sleep(0.5)
    assert len(bell.at) == 2
    assert bell.at[1] >= last


def test_a_stream_of_bells_sounds_once_in_every_gap(bell):
    debounced = Debounced(bell, gap=0.02)

    def work() -> None:
        # A busy machine may run no thread for a while, so this counts rings and not time.
        end = time.monotonic() + 10
        while len(bell.at) < 8 and time.monotonic() < end:
            debounced()
            time.sleep(0.001)

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(0.1)
    # The first, one in every gap, and the last.
    assert 8 <= len(bell.at) <= (time.monotonic() - began) / 0.02 + 2


def test_a_bell_that_cannot_be_rung_is_said_so():
    assert not Debounced(lambda _: False)()


def test_everything_that_was_rung_for_is_told(bell):
    debounced = Debounced(bell, gap=0.1)
    for i in range(5):
        debounced([str(i)])
    time.sleep(0.3)
    debounced(["5"])
    assert bell.what == [["0"], ["1", "2", "3", "4"], ["5"]]


def test_each_kind_of_bell_is_debounced_by_itself_and_loses_no_notification(monkeypatch):
    sent: list[tuple[str, list[str]]] = []
    bells = Bells(NOWHERE)
    monkeypatch.setattr(bells, "_send", lambda task, args, _queue, _lane: bool(sent.append((task, args))) or True)
    ids = [uuid4() for _ in range(4)]
    for one in ids:
        assert bells.expand(one, 2)
        bells.deliver("push")
        bells.publish()
    time.sleep(0.1)
    rung = [task for task, _ in sent]
    assert all(2 <= rung.count(task) < 4 for task in ("expand", "deliver push", "publish"))
    assert [arg for task, args in sent if task == "expand" for arg in args] == [str(one) for one in ids]


def test_without_a_broker_nobody_is_told_that_a_bell_will_be_rung():
    bells = Bells(NOWHERE)
    assert [bells.expand(uuid4(), 2) for _ in range(5)] == [False] * 5


def test_the_end_of_the_program_waits_for_the_last_bell():
    program = (
        "from bus.bells import Debounced\n"
        "bell = Debounced(lambda _: bool(print('ding', flush=True)) or True, gap=0.2)\n"
        "for _ in range(3): bell()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ding", "ding"]
