"""The outbox: one row in the service's own transaction, whatever library holds it."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import carillon
from carillon.outbox import Outbox
from tests.carillon.outbox_table import create_outbox, rows
from tests.factories import create_tenant

HELLO: dict[str, Any] = {"audience": {"users": ["alice"]}, "title": "Hello", "message": "World"}
OUTBOX = Outbox("acme")


@pytest.fixture
def service(engine: Engine) -> Iterator[Engine]:
    """A service's own engine on the shared database, made without any option of ours."""
    create_tenant(engine)
    create_outbox(engine)
    own = create_engine(engine.url)
    yield own
    own.dispose()


# Each yields what to pass as the connection, and what commits it or rolls it back.


@contextmanager
def _connection(engine: Engine) -> Iterator[tuple[Any, Any]]:
    with engine.connect() as connection:
        yield connection, connection


@contextmanager
def _session(engine: Engine) -> Iterator[tuple[Any, Any]]:
    with Session(engine) as session:
        yield session, session


@contextmanager
def _scoped_session(engine: Engine) -> Iterator[tuple[Any, Any]]:
    session = scoped_session(sessionmaker(engine))
    yield session, session
    session.remove()


@contextmanager
def _raw_connection(engine: Engine) -> Iterator[tuple[Any, Any]]:
    with closing(engine.raw_connection()) as raw:
        yield raw, raw


@contextmanager
def _driver_connection(engine: Engine) -> Iterator[tuple[Any, Any]]:
    with closing(_driver(engine)) as connection:
        yield connection, connection


@contextmanager
def _driver_cursor(engine: Engine) -> Iterator[tuple[Any, Any]]:
    with closing(_driver(engine)) as connection, closing(connection.cursor()) as cursor:
        yield cursor, connection


def _driver(engine: Engine) -> Any:
    if engine.dialect.name == "sqlite":
        return sqlite3.connect(str(engine.url.database))
    url = make_url(str(engine.url))
    return psycopg.connect(host=url.query["host"], user=url.username, dbname=url.database)


WAYS = [_connection, _session, _scoped_session, _raw_connection, _driver_connection, _driver_cursor]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__.strip("_"))
def way(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_a_committed_row_is_there_and_is_the_request(service, way):
    with way(service) as (connection, transaction):
        sent = OUTBOX.send(connection, **HELLO, severity="error", data={"ü": "\u2028'\"%s:x?"}, idempotency_key="k")
        raised = OUTBOX.raise_alert(connection, title="T", message="M")
        published = OUTBOX.publish_event(connection, audience={"tenant": True}, type="invoice:paid", data={"id": 7})
        recalled = OUTBOX.recall(connection, sent)
        transaction.commit()
    body = HELLO | {"audience": {"users": [{"id": "alice"}]}, "level": "error", "data": {"ü": "\u2028'\"%s:x?"}}
    same = {"tenant_id": "acme", "idempotency_key": None}
    assert rows(service) == [
        same | {"id": UUID(sent), "kind": "notification", "body": body, "idempotency_key": "k"},
        same | {"id": UUID(raised), "kind": "alert", "body": {"title": "T", "message": "M"}},
        same
        | {
            "id": UUID(published),
            "kind": "event",
            "body": {"audience": {"tenant": True}, "type": "invoice:paid", "data": {"id": 7}},
        },
        same | {"id": UUID(recalled), "kind": "recall", "body": {"id": sent}},
    ]


def test_a_rollback_leaves_nothing(service, way):
    with way(service) as (connection, transaction):
        OUTBOX.send(connection, **HELLO)
        transaction.rollback()
    assert rows(service) == []


def test_nothing_is_committed_for_the_service(service, way):
    with way(service) as (connection, _transaction):
        OUTBOX.send(connection, **HELLO)
    assert rows(service) == []


def test_a_savepoint_that_is_rolled_back_leaves_nothing(service):
    with Session(service) as session:
        OUTBOX.send(session, **HELLO)
        with session.begin_nested() as savepoint:
            OUTBOX.send(session, **HELLO)
            savepoint.rollback()
        session.commit()
    assert len(rows(service)) == 1


def test_ids_are_uuids_that_sort_by_time(service):
    with service.begin() as connection:
        ids = [OUTBOX.send(connection, **HELLO) for _ in range(20)]
    assert ids == sorted(ids)
    assert {UUID(row_id).version for row_id in ids} == {7}
    made = datetime.fromtimestamp((UUID(ids[0]).int >> 80) / 1000, UTC)
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda c: OUTBOX.send(c, title="T", message="M"), "audience: is required"),
        (lambda c: OUTBOX.send(c, **HELLO | {"title": " "}), "title: must not be blank"),
        (lambda c: OUTBOX.send(c, **HELLO | {"message": "\ud800"}), "message: "),
        (lambda c: OUTBOX.send(c, **HELLO | {"data": {"a": "\x00"}}), "data: must not contain NUL"),
        (lambda c: OUTBOX.send(c, **HELLO, idempotency_key="a b"), "idempotency_key: "),
        (lambda c: OUTBOX.raise_alert(c, title="T", message="M", expires_in=1), "expires_in: "),
        (lambda c: OUTBOX.publish_event(c, audience={}, type="a:b", data={}), "audience: must have exactly one"),
        (lambda c: OUTBOX.publish_event(c, audience={"tenant": True}, type="a:b", data={"a": {1}}), "data: set is not"),
        (lambda c: OUTBOX.recall(c, "17"), "id: "),
    ],
)
def test_what_is_not_valid_does_not_touch_the_database(write: Callable[[Any], str], error):
    with pytest.raises(ValueError, match=f"^{error}") as refused:
        write(object())
    assert isinstance(refused.value, carillon.ValidationError)


@pytest.mark.parametrize("tenant", ["", "a b", "x" * 65])
def test_an_outbox_needs_a_tenant(tenant):
    with pytest.raises(ValueError, match="tenant"):
        Outbox(tenant)


# Drivers that are not installed here


class Cursor:
    """A cursor that keeps what it is given."""

    def __init__(self) -> None:
        self.executed: list[tuple[str, Any]] = []
        self.closed = False

    def execute(self, sql: str, parameters: Any) -> None:
        self.executed.append((sql, parameters))

    def fetchone(self) -> None:
        return None

    def close(self) -> None:
        self.closed = True


class Driver:
    """A connection of a driver. Its class is put into a module with a paramstyle."""

    def __init__(self) -> None:
        self.only_cursor = Cursor()

    def cursor(self) -> Cursor:
        return self.only_cursor


COLUMNS = "INSERT INTO carillon_outbox (id, tenant_id, kind, body, idempotency_key) VALUES "


@pytest.mark.parametrize(
    ("paramstyle", "values", "type_"),
    [
        ("qmark", "(?, ?, ?, ?, ?)", tuple),
        ("numeric", "(:1, :2, :3, :4, :5)", tuple),
        ("named", "(:id, :tenant_id, :kind, :body, :idempotency_key)", dict),
        ("format", "(%s, %s, %s, %s, %s)", tuple),
        ("pyformat", "(%(id)s, %(tenant_id)s, %(kind)s, %(body)s, %(idempotency_key)s)", dict),
    ],
)
def test_every_paramstyle_of_pep_249_is_known(monkeypatch, paramstyle, values, type_):
    module = types.ModuleType("a_driver")
    module.paramstyle = paramstyle
    monkeypatch.setitem(sys.modules, "a_driver", module)
    for class_, where in ((Driver, "a_driver"), (Driver, "a_driver.extensions"), (Cursor, "a_driver")):
        # A service may have a class of its own in between.
        driver = type("Own", (type("Connection", (class_,), {"__module__": where}),), {})()
        cursor = driver if isinstance(driver, Cursor) else driver.only_cursor
        row_id = OUTBOX.recall(driver, "0193ec00-0000-7000-8000-000000000000")
        [(sql, parameters)] = cursor.executed
        assert sql == COLUMNS + values
        assert type(parameters) is type_
        given = list(parameters.values()) if isinstance(parameters, dict) else list(parameters)
        assert given == [UUID(row_id).hex, "acme", "recall", '{"id":"0193ec00-0000-7000-8000-000000000000"}', None]
        # A cursor that is the service's stays open.
        assert cursor.closed is isinstance(driver, Driver)


def test_django_takes_one_paramstyle_on_every_database():
    connection = Driver()
    connection.vendor = "sqlite"
    OUTBOX.send(connection, **HELLO)
    cursor = Cursor()
    cursor.db = connection
    OUTBOX.send(cursor, **HELLO)
    for executed in (connection.only_cursor.executed, cursor.executed):
        assert executed[0][0] == COLUMNS + "(%s, %s, %s, %s, %s)"


@pytest.mark.parametrize(
    ("connection", "error"),
    [
        (object(), "no connection"),
        ("sqlite:///x.db", "no connection"),
        (Driver(), "paramstyle"),
        (object.__new__(AsyncConnection), "run_sync"),
        (object.__new__(AsyncSession), "run_sync"),
        (object.__new__(psycopg.AsyncConnection), "run_sync"),
        (object.__new__(psycopg.AsyncCursor), "run_sync"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_connection_is_refused(connection, error):
    with pytest.raises(TypeError, match=error):
        OUTBOX.send(connection, **HELLO)


# Not on SQLite, for which we have no asyncio driver.
@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_asyncio_passes_its_connection_by_run_sync(service):
    async def run() -> None:
        own = create_async_engine(service.url)
        async with own.begin() as connection:
            await connection.run_sync(lambda sync: OUTBOX.send(sync, **HELLO))
        async with AsyncSession(own) as session, session.begin():
            await session.run_sync(lambda sync: OUTBOX.send(sync, **HELLO))
        await own.dispose()

    asyncio.run(run())
    assert len(rows(service)) == 2
