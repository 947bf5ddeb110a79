"""What a database can refuse, as callers see it: one kind of error, after which they try again."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from models.sql.engine import ANSWER, UNAVAILABLE, connect, read, write
from tests.databases import PostgreSQL
from tests.factories import create_tenant
from tests.waiting import eventually

# What PostgreSQL says (Appendix A of its documentation) where the same statement may succeed later.
REFUSALS = {
    "25006": "read-only",
    "25P03": "idle in a transaction for too long",
    "25P04": "a transaction took too long",
    "08006": "the connection broke",
    "40001": "serialisation",
    "40P01": "deadlock",
    "53100": "disk full",
    "53200": "out of memory",
    "53300": "too many connections",
    "55P03": "a lock was not free",
    "57014": "a statement took too long",
    "57P01": "an operator shuts down",
    "57P03": "it starts, or recovers",
    "57P05": "idle for too long",
    "58030": "the disk fails",
}


@pytest.fixture
def postgresql(_postgresql: PostgreSQL) -> Iterator[Engine]:
    with _postgresql.database() as url:
        engine = connect(url)
        yield engine
        engine.dispose()


def complain(engine: Engine, sqlstate: str) -> None:
    with write(engine) as connection:
        connection.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END $$"))


@pytest.mark.slow
@pytest.mark.parametrize("sqlstate", REFUSALS)
def test_whatever_a_database_refuses_is_one_kind_of_error(postgresql: Engine, sqlstate: str):
    with pytest.raises(UNAVAILABLE):
        complain(postgresql, sqlstate)


@pytest.mark.slow
@pytest.mark.parametrize("sqlstate", ["23505", "42601", "22021", "25P02", "XX000"])
def test_an_error_of_ours_is_not_taken_for_it(postgresql: Engine, sqlstate: str):
    with pytest.raises(DBAPIError) as caught:
        complain(postgresql, sqlstate)
    assert not isinstance(caught.value, UNAVAILABLE)


@pytest.mark.slow
def test_connections_to_a_server_that_takes_no_writes_are_not_used_again(postgresql: Engine):
    create_tenant(postgresql)
    with write(postgresql) as connection:
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    with pytest.raises(UNAVAILABLE):
        create_tenant(postgresql, "umbra")
    # A new connection may reach another server.
    create_tenant(postgresql, "umbra")


@pytest.mark.slow
def test_a_transaction_whose_connection_broke_says_the_same_at_every_statement(postgresql: Engine):
    with pytest.raises(UNAVAILABLE), write(postgresql) as connection:  # noqa: PT012 - one transaction
        own = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with read(postgresql) as other:
            other.execute(text(f"SELECT pg_terminate_backend({own})"))
        with pytest.raises(UNAVAILABLE):
            connection.execute(text("SELECT 1"))
        connection.execute(text("SELECT 1"))


@contextmanager
def frozen(engine: Engine, idle: int) -> Iterator[None]:
    """Stop the server that listens, and those of `idle` connections, which are in the pool."""
    connections = [engine.connect() for _ in range(idle)]
    stopped = [one.execute(text("SELECT pg_backend_pid()")).scalar_one() for one in connections]
    directory = connections[0].execute(text("SHOW data_directory")).scalar_one()
    stopped.append(int((Path(directory) / "postmaster.pid").read_text().splitlines()[0]))
    for one in connections:
        one.close()
    for process in stopped:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            os.kill(process, signal.SIGCONT)


@pytest.mark.slow
def test_a_server_that_stands_still_is_not_waited_for(postgresql: Engine, monkeypatch: pytest.MonkeyPatch):
    # In production, longer than a statement may take.
    assert 10 < ANSWER <= 12
    monkeypatch.setattr("models.sql.engine.ANSWER", 1.0)

    def seconds(sleep: int) -> float:
        began = time.monotonic()
        with pytest.raises(UNAVAILABLE), write(postgresql) as connection:
            connection.execute(text(f"SELECT pg_sleep({sleep})"))
        return time.monotonic() - began

    with ThreadPoolExecutor(3) as pool:
        under_way = pool.submit(seconds, 20)
        time.sleep(0.3)
        with frozen(postgresql, idle=1):
            # Their connections are checked, and made.
            checked, connecting = pool.submit(seconds, 0), pool.submit(seconds, 0)
            assert under_way.result(19) < 5
            assert checked.result(19) < 12
            assert connecting.result(19) < 12
    with read(postgresql) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


@pytest.fixture
def away_standby(postgresql: Engine) -> Iterator[Engine]:
    """Commits wait for a standby, and none answers."""
    with postgresql.connect().execution_options(isolation_level="AUTOCOMMIT") as own:

        def wait_for(standbys: str) -> None:
            own.execute(text(f"ALTER SYSTEM SET synchronous_standby_names = '{standbys}'"))
            own.execute(text("SELECT pg_reload_conf()"))

        own.execute(text(f"ALTER DATABASE {postgresql.url.database} SET synchronous_commit = on"))
        create_tenant(postgresql)
        postgresql.dispose()
        wait_for("ANY 1 (one, two)")
        yield postgresql
        wait_for("")


@pytest.mark.slow
def test_a_commit_that_no_standby_confirms_is_not_waited_for(away_standby: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("models.sql.engine.ANSWER", 1.0)
    tenants = count(1)

    def refused() -> float:
        began = time.monotonic()
        try:
            create_tenant(away_standby, f"tenant{next(tenants)}")
        except UNAVAILABLE:
            return time.monotonic() - began
        return 0.0

    # The first ones may be committed before the server has read its settings.
    assert 1 <= eventually(refused) < 5
    with read(away_standby) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_sqlite_file_that_cannot_be_written_says_the_same(tmp_path):
    engine = connect(f"sqlite:///{tmp_path}/a.db")
    with write(engine) as connection:
        connection.execute(text("CREATE TABLE a (b INTEGER)"))
    with write(engine) as connection:
        connection.execute(text("PRAGMA query_only = 1"))
    with pytest.raises(UNAVAILABLE), write(engine) as connection:
        connection.execute(text("INSERT INTO a VALUES (1)"))
    engine.dispose()


def asked(driver: Any, path: Path, work: Callable[[], object]) -> int:
    """How often a connection waits for an answer of the server."""
    with path.open("w") as trace:
        driver.pgconn.trace(trace.fileno())
        work()
        # Which writes the rest.
        driver.pgconn.untrace()
    return len(re.findall(r"\tF\t\d+\t(?:Query|Sync)\b", path.read_text()))


@pytest.mark.slow
def test_how_often_the_server_is_asked(postgresql: Engine, tmp_path: Path):
    def select(transaction: Callable[[Engine], AbstractContextManager[Connection]]) -> None:
        with transaction(postgresql) as connection:
            connection.execute(text("SELECT 1"))

    with read(postgresql) as connection:
        driver = connection.connection.driver_connection
    # Neither a check of the connection nor a transaction.
    assert asked(driver, tmp_path / "trace", lambda: select(read)) == 1
    assert asked(driver, tmp_path / "trace", lambda: select(write)) == 3


@pytest.mark.slow
def test_a_connection_that_broke_while_it_was_idle_is_replaced(postgresql: Engine, monkeypatch: pytest.MonkeyPatch):
    def own() -> int:
        with read(postgresql) as connection:
            return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())

    for fresh in (1.0, 0.0):
        monkeypatch.setattr("models.sql.engine._FRESH", fresh)
        broken = own()
        other = connect(postgresql.url.render_as_string(hide_password=False))
        with read(other) as connection:
            connection.execute(text(f"SELECT pg_terminate_backend({broken}, 5000)"))
        other.dispose()
        assert own() != broken
