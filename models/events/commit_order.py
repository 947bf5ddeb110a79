"""Marks: numbers of events by which a cursor can say "everything that was committed before this".

Each event of a conversation carries a mark. On PostgreSQL it is the id of the transaction that wrote the event, but
never lower than the mark before it in the room. On SQLite, which has one writer at a time, it is a counter. A clock
would not do: it can step, and the time of an event is not the time of its commit.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Text, case, cast, func, literal, null, select
from sqlalchemy.dialects import sqlite

from models.events.tables import meta
from models.rooms.tables import rooms

# The row of `meta` with SQLite's counter.
_COUNTER = "mark"
_counter = select(cast(meta.c.value, BigInteger)).where(meta.c.name == _COUNTER).scalar_subquery()


def marks_of(connection: Connection, which: ColumnElement[bool]) -> ColumnElement[int | None]:
    """The mark of an event in each of these rooms, for the next statement about `rooms`; NULL if it needs none."""
    if connection.dialect.name != "postgresql":
        _count(connection, select(rooms.c.id).where(which, rooms.c.kind == "conversation").exists())
    mark = _mark(connection)
    if connection.dialect.name == "postgresql":
        # Transactions get the lock of a room in another order than their ids. `greatest` passes over NULL.
        mark = func.greatest(rooms.c.mark, mark)
    return case((rooms.c.kind == "conversation", mark), else_=null())


def next_mark(connection: Connection) -> int:
    """The mark of the events that this transaction writes, in rooms without a higher one."""
    if connection.dialect.name != "postgresql":
        _count(connection, literal(1) == 1)
    return int(connection.execute(select(_mark(connection))).scalar_one())


def horizon(connection: Connection) -> int:
    """The mark below which nothing will become visible any more.

    All that is below it is visible to the statements that follow in this transaction. On PostgreSQL, a transaction that
    has been writing for long keeps it low.
    """
    if connection.dialect.name == "postgresql":
        return int(connection.execute(select(_number(func.pg_snapshot_xmin(func.pg_current_snapshot())))).scalar_one())
    return int(connection.execute(select(func.coalesce(_counter, 0))).scalar_one()) + 1


def _mark(connection: Connection) -> ColumnElement[int]:
    return _number(func.pg_current_xact_id()) if connection.dialect.name == "postgresql" else _counter


def _number(id_: ColumnElement[Any]) -> ColumnElement[int]:
    # PostgreSQL casts the type of transaction ids to text only.
    return cast(cast(id_, Text), BigInteger)


def _count(connection: Connection, if_: ColumnElement[bool]) -> None:
    """Raise SQLite's counter."""
    raised = cast(cast(meta.c.value, BigInteger) + 1, Text)
    statement = sqlite.insert(meta).from_select(["name", "value"], select(literal(_COUNTER), literal("1")).where(if_))
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": raised}))
