"""Engines and transactions for the two databases: SQLite (embedded) and PostgreSQL (production)."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    CursorResult,
    Engine,
    FromClause,
    Insert,
    String,
    Table,
    TextClause,
    any_,
    bindparam,
    cast,
    column,
    create_engine,
    event,
    func,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.types import TypeEngine

# What "the database is away" looks like from here; a caller may try again.
UNAVAILABLE = (OperationalError, InterfaceError, PoolTimeout)

# A writer waits this long for the one write lock of SQLite, in milliseconds.
_BUSY_TIMEOUT = 10_000


def connect(url: str, pool_size: int = 10) -> Engine:
    """An engine for `url`. Nothing is connected until it is used.

    Every wait is bounded: connecting 5 s, a statement 10 s, a lock 3 s, a pooled connection 5 s (PostgreSQL); the write
    lock 10 s (SQLite).
    """
    if url.startswith("sqlite"):
        return _connect_sqlite(url, pool_size)
    return create_engine(
        url,
        # A statement in a log or a traceback must not carry addresses.
        hide_parameters=True,
        pool_pre_ping=True,
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
            # The lock goes to whoever asks first, so whoever sleeps for long between two tries is passed over.
            pause = min(2 * pause, 0.002)
        # The last try is SQLAlchemy's, for its errors are what callers know.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        raw.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT}")


def server_time(connection: Connection) -> datetime | None:
    """The time by the database's clock. None where it has none of its own (SQLite)."""
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
def read(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads; on SQLite it does not wait for writers."""
    with engine.connect().execution_options(reading=True) as connection, connection.begin():
        yield connection


def waited_in_vain(error: DBAPIError) -> bool:
    """Whether PostgreSQL ended the wait for a lock, by time-out or to break a circle; all is well otherwise."""
    # lock_not_available, deadlock_detected
    return getattr(error.orig, "sqlstate", None) in ("55P03", "40P01")


def insert_new(connection: Connection, table: Table) -> Insert:
    """INSERT … ON CONFLICT DO NOTHING, in the dialect of the connection."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


def upsert(
    connection: Connection,
    table: Table,
    key: list[str],
    update: list[str],
    where: TextClause | None = None,
) -> Insert:
    """INSERT … ON CONFLICT (key) DO UPDATE of the columns `update` with the values given.

    `where` is the condition of the partial unique index that `key` means, if it means one.
    """
    statement: Any = postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
    result: Insert = statement.on_conflict_do_update(
        index_elements=key, index_where=where, set_={name: statement.excluded[name] for name in update}
    )
    return result


def together(connection: Connection, *statements: Insert) -> CursorResult[Any]:
    """Run these INSERTs, in one statement on PostgreSQL; there they see what all of them read as it was before.

    Returns the result of the last. They may read from one CTE, which runs once.
    """
    *others, last = statements
    if connection.dialect.name == "postgresql":
        for statement in others:
            last = last.add_cte(statement.cte())
    else:
        for statement in others:
            connection.execute(statement)
    # Without the option psycopg's count is not kept for an INSERT.
    return connection.execute(last, execution_options={"preserve_rowcount": True})


def among(connection: Connection, column_: ColumnElement[int], ids: Sequence[int]) -> ColumnElement[bool]:
    """`column IN (ids)` with the ids as one parameter, so that the statement is the same for any number of them."""
    if connection.dialect.name == "postgresql":
        # Written out here: psycopg looks at each element of a list for what might need quoting.
        written = bindparam("ids", "{" + ",".join(map(str, ids)) + "}", String, unique=True)
        return column_ == any_(cast(written, postgresql.ARRAY(BigInteger)))
    each = func.json_each(bindparam("ids", json.dumps(list(ids)), unique=True)).table_valued("value")
    return column_.in_(select(each.c.value))


def rows(
    connection: Connection, name: str, columns: Mapping[str, TypeEngine[Any]], data: Sequence[Sequence[Any]]
) -> FromClause:
    """A table of values inside a statement, sent as one JSON parameter.

    VALUES with thousands of parameters would be compiled anew for every length. Values are strings, numbers, None and
    (in columns of type Instant) datetimes.
    """
    postgres = connection.dialect.name == "postgresql"
    moment = _iso if postgres else _sqlite_moment
    plain = [
        {key: moment(value) if isinstance(value, datetime) else value for key, value in zip(columns, row, strict=True)}
        for row in data
    ]
    if postgres:
        typed = [column(key, type_) for key, type_ in columns.items()]
        unpacked = func.jsonb_to_recordset(bindparam("rows", plain, postgresql.JSONB, unique=True))
        return unpacked.table_valued(*typed, name=name).render_derived(name=name, with_types=True)
    each = func.json_each(bindparam("rows", json.dumps(plain), unique=True)).table_valued("value")
    picked = [type_coerce(func.json_extract(each.c.value, f"$.{key}"), t).label(key) for key, t in columns.items()]
    return select(*picked).subquery(name)


def _iso(moment: datetime) -> str:
    return moment.isoformat()


def _sqlite_moment(moment: datetime) -> str:
    # The form in which SQLAlchemy stores a DateTime on SQLite.
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
