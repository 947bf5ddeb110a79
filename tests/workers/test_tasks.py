"""Tasks without a database: they end quietly, pause, and go on when it is back."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from sqlalchemy.exc import OperationalError

from bus.circuit_breaker import CircuitBreaker
from workers import tasks


class Refused(Exception):
    sqlstate = "57P03"


class Deadlock(Exception):
    sqlstate = "40P01"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outcomes(monkeypatch, clock) -> Iterator[list[Exception | None]]:
    """What the next calls of `deliver` raise; each call takes one off."""
    outcomes: list[Exception | None] = []

    def deliver(_run: object, _channel: str) -> bool:
        error = outcomes.pop(0)
        if error is not None:
            raise error
        return True

    monkeypatch.setattr(tasks, "runtime", lambda: None)
    monkeypatch.setattr(tasks, "deliver", deliver)
    monkeypatch.setattr(tasks, "_database", CircuitBreaker(1, clock))
    return outcomes


def away() -> OperationalError:
    return OperationalError("SELECT", None, Refused())


def test_a_refusing_database_is_one_line_and_a_pause(outcomes, caplog, clock):
    caplog.set_level(logging.INFO)
    outcomes += [away(), away(), None, None]
    email = tasks.DELIVER_TASKS["email"]
    for _ in range(5):
        email()
    assert len(outcomes) == 3
    clock.now += 1.1
    email()
    clock.now += 1.1
    email()
    email()
    assert outcomes == []
    assert [record.getMessage() for record in caplog.records] == ["database away"]


def test_a_deadlock_is_no_reason_to_pause(outcomes, caplog):
    caplog.set_level(logging.INFO)
    outcomes += [OperationalError("SELECT", None, Deadlock()), None]
    for _ in range(2):
        tasks.DELIVER_TASKS["push"]()
    assert outcomes == []
    assert [record.levelname for record in caplog.records] == ["INFO"]


def test_a_bug_is_still_seen(outcomes):
    outcomes += [ValueError("a bug"), None]
    with pytest.raises(ValueError, match="a bug"):
        tasks.DELIVER_TASKS["push"]()
    tasks.DELIVER_TASKS["push"]()
    assert outcomes == []
