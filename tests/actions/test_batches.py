"""Callers that come together are served together, and none of them for the sake of another fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from actions.batches import LARGEST, Batches
from tests.waiting import eventually


class Killed(BaseException):
    """What ends a greenlet."""


class Refused(Exception):
    sqlstate = "57P03"


class Locked(Exception):
    sqlstate = "55P03"


class Queue:
    """Batches of one key, the first of which can be held up until all have come."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self.batches: Batches[str, str] = Batches()
        self.done: list[list[str]] = []
        self.fails: Callable[[Sequence[str]], BaseException | None] = lambda _: None
        self._pool = pool

    def work(self, items: Sequence[str]) -> list[str]:
        self.done.append([*items])
        if error := self.fails(items):
            raise error
        return [item.upper() for item in items]

    def together(self, *items: str) -> list[Future[str]]:
        """Let them come while another batch is being done."""
        held = threading.Event()

        def hold(items: Sequence[str]) -> list[str]:
            assert held.wait(10)
            return [*items]

        first = self._pool.submit(self.batches.do, "key", "first", hold)
        eventually(lambda: self.waiting() == 0)
        calls = []
        for number, item in enumerate(items, 1):
            calls.append(self._pool.submit(self.batches.do, "key", item, self.work))
            eventually(lambda number=number: self.waiting() == number)
        held.set()
        assert first.result(10) == "first"
        return calls

    def waiting(self) -> int | None:
        queue = self.batches._queues.get("key")
        return len(queue.waiting) if queue is not None else None


@pytest.fixture
def queue() -> Iterator[Queue]:
    with ThreadPoolExecutor(LARGEST + 10) as pool:
        yield Queue(pool)


def test_who_comes_alone_is_served_alone(queue: Queue):
    assert [queue.batches.do("key", item, queue.work) for item in ("a", "b")] == ["A", "B"]
    assert queue.done == [["a"], ["b"]]


def test_those_who_come_meanwhile_are_one_batch_and_each_gets_its_own_result(queue: Queue):
    assert [call.result(10) for call in queue.together("a", "b", "c")] == ["A", "B", "C"]
    assert queue.done == [["a", "b", "c"]]


def test_a_batch_is_bounded(queue: Queue):
    items = [f"i{number}" for number in range(LARGEST + 1)]
    assert [call.result(10) for call in queue.together(*items)] == [item.upper() for item in items]
    assert queue.done == [items[:LARGEST], items[LARGEST:]]


def test_one_that_fails_fails_alone(queue: Queue):
    queue.fails = lambda items: ValueError("poison") if "poison" in items else None
    good, bad, other = queue.together("good", "poison", "other")
    assert (good.result(10), other.result(10)) == ("GOOD", "OTHER")
    with pytest.raises(ValueError, match="poison"):
        bad.result(10)
    assert queue.done == [["good", "poison", "other"], ["good"], ["poison"], ["other"]]


def test_one_that_waits_for_a_lock_for_too_long_fails_alone(queue: Queue):
    queue.fails = lambda items: OperationalError("INSERT", None, Locked()) if "held" in items else None
    good, held = queue.together("good", "held")
    assert good.result(10) == "GOOD"
    with pytest.raises(OperationalError):
        held.result(10)


def test_a_database_that_is_away_is_not_asked_for_each(queue: Queue):
    queue.fails = lambda _: OperationalError("INSERT", None, Refused())
    for call in queue.together("a", "b"):
        with pytest.raises(OperationalError):
            call.result(10)
    assert queue.done == [["a", "b"]]


def test_what_a_killed_caller_may_have_done_is_not_done_again(queue: Queue):
    queue.fails = lambda _: Killed()
    outcomes: list[Any] = [call.exception(10) for call in queue.together("a", "b")]
    assert sorted(type(error).__name__ for error in outcomes) == ["Killed", "TimeoutError"]
    assert queue.done == [["a", "b"]]


def test_callers_of_another_key_do_not_wait(queue: Queue):
    held = threading.Event()

    def hold(items: Sequence[str]) -> list[str]:
        assert held.wait(10)
        return [*items]

    first = queue._pool.submit(queue.batches.do, "key", "first", hold)
    eventually(lambda: queue.waiting() == 0)
    assert queue.batches.do("another", "a", queue.work) == "A"
    held.set()
    first.result(10)


def test_nothing_is_kept_of_keys(queue: Queue):
    for call in queue.together("a", "b"):
        call.result(10)
    assert not queue.batches._queues
