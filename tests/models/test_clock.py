"""The clock of the installation: right wherever a process runs, and heard of when it is set."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import Engine, text

from models.sql import clock as module
from models.sql.clock import Clock
from models.sql.engine import UNAVAILABLE, connect, read, server_time

HOUR = 3600.0
BOTH_WAYS = pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["forward", "back"])


def steps(caplog: pytest.LogCaptureFixture) -> list[tuple[str, float]]:
    return [(record.clock, record.seconds) for record in caplog.records if record.message == "clock set"]


def seconds_from(moment: datetime, other: datetime | None) -> float:
    assert other is not None
    return (moment - other).total_seconds()


def use(engine: Engine) -> None:
    with read(engine) as connection:
        connection.execute(text("SELECT 1"))


@pytest.mark.slow
@BOTH_WAYS
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_it_is_the_databases_on_a_machine_that_is_wrong_or_is_set(engine, clocks, caplog, seconds):
    clocks.set_machine(seconds)
    clock = Clock(engine)
    with read(engine) as connection:
        assert abs(seconds_from(clock(), server_time(connection))) < 5
    clocks.set_machine(seconds)
    with read(engine) as connection:
        assert abs(seconds_from(clock(), server_time(connection))) < 5
    use(engine)
    assert steps(caplog) == [("machine", seconds)]


@BOTH_WAYS
def test_a_clock_that_is_set_is_followed_and_told_once(engine, clocks, caplog, seconds):
    clock = Clock(engine)
    before = clock()
    clocks.set(seconds)
    for _ in range(3):
        use(engine)
        assert abs(seconds_from(clock(), before) - seconds) < 30
    assert steps(caplog) == [("machine" if engine.dialect.name == "sqlite" else "database", seconds)]


def test_a_small_correction_is_not_told(engine, clocks, caplog):
    clock = Clock(engine)
    clock()
    clocks.set(0.5)
    use(engine)
    clock()
    assert steps(caplog) == []


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_slow_answer_does_not_move_it(engine, clocks, monkeypatch, caplog):
    clock = Clock(engine)
    use(engine)
    monkeypatch.setattr(module, "_READ", f"{module._READ} FROM pg_sleep(1.5)")
    before = time.monotonic(), clock()
    use(engine)
    passed = time.monotonic() - before[0]
    assert seconds_from(clock(), before[1]) == pytest.approx(passed, abs=0.2)
    assert steps(caplog) == []


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_threads_that_begin_together_wait_for_the_first_reading(engine, monkeypatch):
    monkeypatch.setattr(module, "_READ", f"{module._READ} FROM pg_sleep(0.5)")
    clock = Clock(engine)
    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(lambda _: clock(), range(4)))
    with read(engine) as connection:
        assert all(abs(seconds_from(one, server_time(connection))) < 5 for one in told)


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_it_asks_once_a_second_however_many_connections_are_taken(engine, monkeypatch):
    with engine.begin() as connection:
        connection.execute(text("CREATE SEQUENCE asked"))
    monkeypatch.setattr(module, "_READ", "SELECT nextval('asked')::float8")
    monkeypatch.setattr(module, "INTERVAL", 60.0)
    clock = Clock(engine)
    for _ in range(5):
        use(engine)
        clock()
    with read(engine) as connection:
        assert connection.scalar(text("SELECT last_value FROM asked")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_database_that_does_not_answer_is_unavailable(engine, monkeypatch):
    monkeypatch.setattr(module, "_READ", "SELECT pg_sleep(5)")
    with engine.begin() as connection:
        connection.execute(text("SET statement_timeout = 100"))
    clock = Clock(engine)
    with pytest.raises(UNAVAILABLE):
        clock()
    away = Clock(connect("postgresql+psycopg://nobody@127.0.0.1:1/nothing"))
    with pytest.raises(UNAVAILABLE):
        away()
