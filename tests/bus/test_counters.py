"""What is counted in many processes, read in one."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest
import redis

from bus.counters import KEPT, LATE, STEP, Counters, Tally
from tests.factories import free_port
from tests.waiting import eventually

# The begin of a step, and a moment some steps later.
BEGIN = 1_800_000_000
LATER = BEGIN + 4 * STEP + 3


class Clock:
    """A clock that is set."""

    now = float(BEGIN)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rates(redis_server, clock):
    """Makes the rates of a process: rates(), or rates(3) for a web process with three connections."""
    made = []

    def make(connections: int | None = None) -> Counters:
        made.append(Counters(redis_server, "test", None if connections is None else lambda: connections, clock))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_what_several_processes_count_is_added_up_by_steps(rates, clock):
    one, other = rates(), rates()
    one.increment("sent:push", 3)
    other.increment("sent:push")
    other.increment("accepted")
    clock.now += STEP
    one.increment("sent:push", 5)
    for each in (one, other):
        each.flush()
        # What was told is not told again.
        each.flush()
    clock.now = LATER
    history = rates().history(3 * STEP)
    assert [step - BEGIN for step, _ in history] == [STEP, 2 * STEP, 3 * STEP]
    history = rates().history(4 * STEP)
    assert [dict(tally.counts) for _, tally in history] == [{"sent:push": 4, "accepted": 1}, {"sent:push": 5}, {}, {}]


def test_a_level_is_the_last_of_its_step_and_the_highest_of_several(rates, clock):
    one = rates()
    for value in (9.0, 2.5):
        one.gauge("oldest:push", value)
    clock.now += STEP
    one.gauge("oldest:push", 1.0)
    one.flush()
    clock.now = LATER
    whole = Tally()
    for _, each in one.history(4 * STEP):
        whole.add(each)
    assert [tally.levels for _, tally in one.history(4 * STEP)] == [{"oldest:push": 2.5}, {"oldest:push": 1.0}, {}, {}]
    assert whole.levels == {"oldest:push": 2.5}


def test_a_step_is_read_when_all_have_had_the_time_to_tell_it(rates, clock):
    clock.now = BEGIN + STEP + 1
    assert [step for step, _ in rates().history(STEP)] == [BEGIN - STEP]
    clock.now = BEGIN + STEP + 2
    assert [step for step, _ in rates().history(STEP)] == [BEGIN]


@pytest.mark.parametrize("seconds", [0.0, 0.0004, 0.001, 0.0123, 0.9, 17.0, 59.9])
def test_a_quantile_is_at_most_a_quarter_above_the_time(rates, clock, seconds):
    one = rates()
    one.observe(seconds)
    one.flush()
    clock.now = LATER
    tally = Tally()
    for _, each in one.history(4 * STEP):
        tally.add(each)
    told = tally.quantile(0.5)
    assert told is not None
    assert max(seconds, 0.001) <= told * 1.000001
    assert told <= max(seconds, 0.001) * 1.2500001


def test_quantiles_divide_the_times_and_who_was_away_does_not_count(rates, clock):
    one = rates()
    for n in range(100):
        one.observe(0.010 if n < 90 else 1.0)
    one.observe(3600)
    one.flush()
    clock.now = LATER
    [(_, tally), *_] = one.history(4 * STEP)
    assert tally.counts[LATE] == 1
    assert tally.quantile(0.5) == tally.quantile(0.9) == pytest.approx(0.01, rel=0.25)
    assert tally.quantile(0.95) == tally.quantile(0.99) == pytest.approx(1, rel=0.25)
    assert Tally().quantile(0.5) is None


def test_web_processes_are_counted_while_they_report(rates, clock):
    one = rates(connections=3)
    one.flush()
    rates().flush()
    assert list(rates().web_processes().values()) == [3]
    clock.now += 11
    assert rates().web_processes() == {}


def test_counts_are_told_by_themselves(redis_server, monkeypatch):
    monkeypatch.setattr("bus.counters._FLUSH", 0.05)
    one = Counters(redis_server, "test")
    one.increment("accepted")
    end = time.monotonic() + 5
    with redis.Redis.from_url(redis_server, decode_responses=True) as client:
        while not (keys := client.keys("test:rates:*")) and time.monotonic() < end:
            time.sleep(0.05)
        [key] = keys
        assert client.hgetall(key) == {"accepted": "1"}
        assert 0 < client.ttl(key) <= KEPT
    one.close()


def test_what_was_counted_last_is_told_at_the_end(rates, redis_server):
    one = rates()
    one.increment("accepted", 7)
    one.close()
    with redis.Redis.from_url(redis_server, decode_responses=True) as client:
        assert [client.hgetall(key) for key in client.keys("test:rates:*")] == [{"accepted": "7"}]


def test_without_redis_nobody_waits_and_nothing_is_raised():
    before = set(threading.enumerate())
    one = Counters(f"redis://127.0.0.1:{free_port()}/0", "test", lambda: 1)
    began = time.monotonic()
    for _ in range(1000):
        one.increment("accepted")
        one.observe(0.01)
    assert time.monotonic() - began < 10
    one.flush()
    with pytest.raises(redis.RedisError):
        one.history(60)
    one.close()
    assert set(threading.enumerate()) <= before


def test_an_idle_web_process_is_counted(redis_server):
    with closing(Counters(redis_server, "test", lambda: 0)) as one:
        one.start()
        assert eventually(one.web_processes)
        assert list(one.web_processes().values()) == [0]


def test_totals_of_all_processes_are_added_up_and_a_beat_has_an_age(redis_server):
    with closing(Counters(redis_server, "test")) as one, closing(Counters(redis_server, "test")) as other:
        one.add_total("a", 2)
        other.add_total("a")
        assert other.silent_for("relay") is None
        one.beat("relay")
        one.flush()
        other.flush()
        assert other.totals() == {"a": 3}
        assert other.silent_for("relay") < 15
