from __future__ import annotations

import threading

import pytest

from bus.circuit_breaker import CircuitBreaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(5.0, clock)


def test_it_is_closed_until_a_call_fails(breaker):
    assert [breaker.allows() for _ in range(3)] == [True] * 3
    breaker.succeeded()
    assert breaker.allows()


def test_after_a_failure_nobody_tries_for_a_while(breaker, clock):
    assert breaker.failed()
    assert not breaker.allows()
    clock.now += 4.9
    assert not breaker.allows()


def test_half_open_one_caller_tries_and_the_others_wait(breaker, clock):
    breaker.failed()
    clock.now += 5
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    # Whoever tried died without a word: the next one tries after as long again.
    clock.now += 5
    assert [breaker.allows() for _ in range(2)] == [True, False]


def test_a_success_closes_it(breaker, clock):
    breaker.failed()
    clock.now += 5
    assert breaker.allows()
    breaker.succeeded()
    assert [breaker.allows() for _ in range(3)] == [True] * 3


def test_a_failed_try_opens_it_again_and_is_no_new_opening(breaker, clock):
    assert breaker.failed()
    assert not breaker.failed()
    clock.now += 5
    assert breaker.allows()
    assert not breaker.failed()
    assert not breaker.allows()
    clock.now += 5
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.failed()


def test_each_failed_try_doubles_the_time_up_to_the_longest(clock):
    breaker = CircuitBreaker(5.0, clock, longest=15.0)
    breaker.failed()
    lengths = []
    for _ in range(4):
        # Calls that were under way when it opened fail as well. They are no tries.
        breaker.failed()
        lengths.append(breaker.seconds_left)
        clock.now += breaker.seconds_left
        assert breaker.allows()
        breaker.failed()
    assert lengths == [5, 10, 15, 15]
    clock.now += 15
    assert breaker.allows()
    breaker.succeeded()
    assert breaker.seconds_left == 0
    breaker.failed()
    assert breaker.seconds_left == 5


def test_a_failure_can_ask_for_more_time_and_a_later_one_takes_none_of_it_away(breaker, clock):
    breaker.failed(at_least=60)
    breaker.failed()
    clock.now += 59
    assert not breaker.allows()
    clock.now += 1
    assert breaker.allows()


def test_a_try_that_was_not_made_is_given_to_the_next_caller(breaker, clock):
    breaker.release()
    breaker.failed()
    breaker.release()
    assert not breaker.allows()
    clock.now += 5
    assert breaker.allows()
    breaker.release()
    assert [breaker.allows() for _ in range(2)] == [True, False]


def test_a_try_can_take_longer_than_the_breaker_is_open(clock):
    breaker = CircuitBreaker(5.0, clock, patience=60.0)
    breaker.failed()
    clock.now += 5
    assert breaker.allows()
    clock.now += 59
    assert not breaker.allows()
    clock.now += 1
    assert breaker.allows()


def test_of_many_threads_one_tries(breaker, clock):
    breaker.failed()
    clock.now += 5
    allowed: list[bool] = []
    ready = threading.Barrier(8)

    def ask() -> None:
        ready.wait()
        allowed.append(breaker.allows())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(allowed) == [False] * 7 + [True]
