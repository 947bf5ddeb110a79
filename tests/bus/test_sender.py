"""When bells are sent: the first at once, a burst as one, and the last before the program ends."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from uuid import uuid4

import pytest

from bus.bells import Bells, Kind, Sender
from tests.databases import ROOT
from tests.waiting import eventually

# Asked by no other test: a process has one circuit breaker for each URL.
NOWHERE = "redis://127.0.0.1:1/5"
EXPAND, PUBLISH = Kind("expand", "intake", 2), Kind("publish", "deliver", 2)


class Broker:
    """Keeps what is sent, and when."""

    def __init__(self) -> None:
        self.sent: list[tuple[Kind, list[str]]] = []
        self.at: list[float] = []
        self.free = threading.Event()
        self.free.set()

    def __call__(self, kind: Kind, args: list[str]) -> None:
        self.at.append(time.monotonic())
        self.sent.append((kind, args))
        assert self.free.wait(10)


@pytest.fixture
def broker() -> Broker:
    return Broker()


def test_the_first_is_sent_at_once(broker):
    began = time.monotonic()
    Sender(broker, gap=60)(EXPAND)
    eventually(lambda: broker.sent)
    assert broker.at[0] - began < 5


def test_nobody_waits_for_the_broker(broker):
    broker.free.clear()
    sender = Sender(broker)
    began = time.monotonic()
    for number in range(1000):
        sender(EXPAND, [str(number)])
    # The broker answers nothing for ten seconds.
    assert time.monotonic() - began < 5
    broker.free.set()
    eventually(lambda: sum(len(args) for _, args in broker.sent) == 1000)
    assert [arg for _, args in broker.sent for arg in args] == [str(number) for number in range(1000)]
    # While the broker took the first, the others were collected.
    assert len(broker.sent) < 20


def test_a_burst_is_sent_twice_and_the_last_is_in_it(broker):
    sender = Sender(broker, gap=0.3)
    sender(EXPAND)
    eventually(lambda: broker.sent)
    for _ in range(100):
        sender(EXPAND)
    last = time.monotonic()
    assert len(broker.at) == 1
    eventually(lambda: len(broker.at) == 2)
    time.sleep(0.4)
    assert len(broker.at) == 2
    assert broker.at[1] >= last


def test_a_stream_of_bells_is_sent_once_in_every_gap(broker):
    sender = Sender(broker, gap=0.02)

    def work() -> None:
        # A busy machine may run no thread for a while, so this counts bells and not time.
        end = time.monotonic() + 10
        while len(broker.at) < 8 and time.monotonic() < end:
            sender(EXPAND)
            time.sleep(0.001)

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    time.sleep(0.1)
    # The first, one in every gap, and the last.
    assert 8 <= len(broker.at) <= (time.monotonic() - began) / 0.02 + 2


def test_a_kind_does_not_wait_for_the_gap_of_another(broker):
    sender = Sender(broker, gap=60)
    sender(EXPAND, ["1"])
    eventually(lambda: broker.sent)
    sender(EXPAND, ["2"])
    sender(PUBLISH)
    eventually(lambda: len(broker.sent) == 2)
    assert broker.sent == [(EXPAND, ["1"]), (PUBLISH, [])]
    # So that the thread ends, and with it the tests.
    sender._quiet_until.clear()
    sender(PUBLISH)
    eventually(lambda: (EXPAND, ["2"]) in broker.sent)


def test_each_lane_is_a_kind_and_no_notification_is_lost(monkeypatch, broker):
    monkeypatch.setattr(Bells, "_send", lambda _self, kind, args: broker(kind, args))
    bells = Bells(NOWHERE)
    ids = [uuid4() for _ in range(8)]
    for number, one in enumerate(ids):
        assert bells.expand(one, number % 2)
    eventually(lambda: sum(len(args) for _, args in broker.sent) == 8)
    for lane in (0, 1):
        assert [arg for kind, args in broker.sent if kind.lane == lane for arg in args] == list(map(str, ids[lane::2]))


def test_the_end_of_the_program_waits_for_the_last_bell():
    program = (
        "from bus.bells import Kind, Sender\n"
        "send = Sender(lambda kind, args: print(len(args), flush=True), gap=0.3)\n"
        "for _ in range(3): send(Kind('publish', 'deliver', 2), ['x'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert sum(map(int, done.stdout.split())) == 3
