from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest

from tests.databases import ROOT
from workers import jobs
from workers.jobs import Muffled


class Bell:
    def __init__(self) -> None:
        self.at: list[float] = []

    def __call__(self) -> bool:
        self.at.append(time.monotonic())
        return True


@pytest.fixture
def bell() -> Bell:
    return Bell()


def test_the_first_sounds_at_once(bell):
    assert Muffled(bell).ring()
    assert len(bell.at) == 1


def test_a_burst_sounds_twice_and_the_last_is_heard(bell):
    muffled = Muffled(bell, gap=0.3)
    for _ in range(100):
        assert muffled.ring()
    last = time.monotonic()
    assert len(bell.at) == 1
    time.sleep(0.5)
    assert len(bell.at) == 2
    assert bell.at[1] >= last


def test_a_stream_of_bells_sounds_once_in_every_gap(bell):
    muffled = Muffled(bell, gap=0.02)

    def work() -> None:
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            muffled.ring()
            time.sleep(0.001)

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(0.1)
    # The first, one in every gap, and the last.
    assert 3 <= len(bell.at) <= (time.monotonic() - began) / 0.02 + 2


def test_a_bell_that_cannot_be_rung_is_said_so():
    assert not Muffled(lambda: False).ring()


def test_only_bells_for_publishing_are_muffled(bell, monkeypatch):
    sent: list[str] = []
    monkeypatch.setattr(jobs, "_send", lambda task, _args, _queue: bool(sent.append(task)) or True)
    monkeypatch.setattr(jobs, "_PUBLISH", Muffled(bell, gap=0.3))
    for _ in range(3):
        jobs.ring_deliver("push", "push")
        jobs.ring_publish()
    assert (sent, len(bell.at)) == (["deliver push"] * 3, 1)
    time.sleep(0.5)
    assert len(bell.at) == 2


def test_the_end_of_the_program_waits_for_the_last_bell():
    program = (
        "from workers.jobs import Muffled\n"
        "bell = Muffled(lambda: bool(print('ding', flush=True)) or True, gap=0.2)\n"
        "for _ in range(3): bell.ring()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ding", "ding"]
