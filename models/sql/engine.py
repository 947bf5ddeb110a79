"""Engines and transactions for the two databases: SQLite (embedded) and PostgreSQL (production)."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import (
    Connection,
    Engine,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect, ExceptionContext
from sqlalchemy.exc import InterfaceError, InvalidatePoolError, OperationalError, PendingRollbackError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

# The errors of a database that does not answer or refuses: it is away, read-only, full or busy. A caller can try again.
# The last one is raised by the next statement of a transaction whose connection has broken.
UNAVAILABLE = (OperationalError, InterfaceError, PoolTimeout, PendingRollbackError)

# What PostgreSQL says when it takes no writes: it has become a standby, or it is shutting down, or an operator has
# stopped writes. And when it has ended a transaction that waited for its client. psycopg has these among the errors
# that only a bug can cause (class 25, "invalid transaction state").
_REFUSING = ("25006", "25P03", "25P04")

# Seconds for the answer to a statement: more than PostgreSQL's own limit, which a server that stands still does not
# keep. And for the answer to the pool's check of a connection that was idle.
ANSWER = 12.0
_CHECK = 2.0

# A connection that was used within this time (seconds), and that the server has not closed, is taken from the pool
# without a round trip to it.
_FRESH = 1.0

# A writer waits this long for the one write lock of SQLite, in milliseconds.
_BUSY_TIMEOUT = 10_000


def connect(url: str, pool_size: int = 10) -> Engine:
    """An engine for `url`. Nothing is connected until it is used.

    Every wait is bounded: connecting 5 s, a statement 10 s, a lock 3 s, a pooled connection 5 s, a server that stands
    still 12 s (PostgreSQL); the write lock 10 s (SQLite).
    """
    if url.startswith("sqlite"):
        return _connect_sqlite(url, pool_size)
    engine = create_engine(
        url,
        # A statement in a log or a traceback must not carry addresses.
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=5,
        pool_timeout=5,
        pool_recycle=1800,
        connect_args={
            "connect_timeout": 5,
            "tcp_user_timeout": 5000,
            "options": "-c statement_timeout=10000 -c lock_timeout=3000 -c idle_in_transaction_session_timeout=15000",
        },
    )

    @event.listens_for(engine, "do_connect")
    def _connect(
        _dialect: Dialect, _record: object, args: tuple[Any, ...], options: dict[str, Any]
    ) -> BoundedConnection:
        return BoundedConnection.connect(*args, **options)

    @event.listens_for(engine, "checkin")
    def _note_use(_dbapi: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _check(dbapi: Any, record: ConnectionPoolEntry, _fairy: PoolProxiedConnection) -> None:
        dbapi.brief = True
        try:
            # Whatever the server has sent meanwhile: its last words, and that it has closed the connection.
            dbapi.pgconn.consume_input()
            dbapi.pgconn.consume_input()
            if time.monotonic() - record.info.get("used_at", math.inf) > _FRESH:
                engine.dialect.do_ping(dbapi)
        except psycopg.Error as error:
            raise InvalidatePoolError from error
        finally:
            dbapi.brief = False

    @event.listens_for(engine, "handle_error", retval=True)
    def _classify(failed: ExceptionContext) -> BaseException | None:
        if getattr(failed.original_exception, "sqlstate", None) not in _REFUSING:
            return None
        # After a fail-over, another server takes writes: connections to this one are not used again.
        failed.is_disconnect = True
        return OperationalError(failed.statement, None, failed.original_exception, hide_parameters=True)

    return engine


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed if the server does not answer.

    The server's own limits end nothing while it stands still, and its kernel still acknowledges what we send, so TCP
    notices nothing either. `brief`: what is asked now takes no time, such as the time itself.
    """

    brief = False

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Called for each exchange with the server. Raises OperationalError if it takes longer than the limit."""
        if timeout is None:
            timeout = _CHECK if self.brief else ANSWER
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError:
            if self.info.transaction_status == TransactionStatus.ACTIVE:
                # An answer that comes later would be taken for the next statement's.
                self.close()
            raise


def _connect_sqlite(url: str, pool_size: int) -> Engine:
    engine = create_engine(url, hide_parameters=True, pool_size=pool_size, max_overflow=5, pool_timeout=5)

    @event.listens_for(engine, "connect")
    def _configure(dbapi: DBAPIConnection, _record: object) -> None:
        # The driver's own BEGIN comes too late: it starts a transaction as a reader and may fail to become a writer,
        # which no time-out cures. We say BEGIN ourselves, below.
        dbapi.isolation_level = None
        cursor = dbapi.cursor()
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT}")
        cursor.execute("PRAGMA journal_mode=WAL")
        # FULL: a 202 survives a power cut, not only a killed process.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get("reading", False):
            connection.exec_driver_sql("BEGIN")
        else:
            _begin_to_write(connection)

    return engine


def _begin_to_write(connection: Connection) -> None:
    """Take SQLite's write lock, waiting for it in Python.

    SQLite would wait in C. A process under gevent stands still meanwhile, with every request and socket it serves.
    """
    raw: Any = connection.connection.dbapi_connection
    end = time.monotonic() + _BUSY_TIMEOUT / 1000
    pause = 0.001
    raw.execute("PRAGMA busy_timeout=0")
    try:
        while time.monotonic() < end:
            try:
                raw.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                # The low byte is the error; the others say which kind of it.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
            else:
                return
            time.sleep(pause)
            # The lock goes to the first to ask, so a process that sleeps long between two tries would starve.
            pause = min(2 * pause, 0.002)
        # The last try is SQLAlchemy's, so that callers get its errors.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        raw.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT}")


def server_time(connection: Connection) -> datetime | None:
    """The time by the database's clock. None if it has none of its own (SQLite)."""
    if connection.dialect.name == "sqlite":
        return None
    moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return moment


@contextmanager
def write(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: committed at the end of the block, rolled back if it raises."""
    with engine.begin() as connection:
        yield connection


@contextmanager
def read(engine: Engine, seconds: float | None = None) -> Iterator[Connection]:
    """A connection that only reads; on SQLite in a transaction that does not wait for writers.

    `seconds`: statements that take longer are given up. SQLite knows no such limit.
    """
    options: dict[str, Any] = {"reading": True}
    if engine.dialect.name == "postgresql" and seconds is None:
        # Every statement sees what is committed when it begins, in a transaction too. BEGIN and COMMIT would only be
        # two more round trips.
        options["isolation_level"] = "AUTOCOMMIT"
    with engine.connect().execution_options(**options) as connection, connection.begin():
        if engine.dialect.name == "postgresql" and seconds is not None:
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(seconds * 1000)}")
        yield connection
