"""Statements that SQLite and PostgreSQL spell differently."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    CursorResult,
    FromClause,
    Insert,
    Interval,
    String,
    Table,
    TextClause,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine


def is_lock_timeout(error: Exception) -> bool:
    """Whether PostgreSQL ended the wait for a lock, by time-out or to break a circle; all is well otherwise."""
    # lock_not_available, deadlock_detected
    return getattr(getattr(error, "orig", None), "sqlstate", None) in ("55P03", "40P01")


def insert_ignore(connection: Connection, table: Table) -> Insert:
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
    if_changed: str | None = None,
) -> Insert:
    """INSERT … ON CONFLICT (key) DO UPDATE of the columns `update` with the values given.

    `where` is the condition of the partial unique index that `key` means, if it means one. A row whose column
    `if_changed` has the value given already stays as it is.
    """
    statement: Any = postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
    result: Insert = statement.on_conflict_do_update(
        index_elements=key,
        index_where=where,
        set_={name: statement.excluded[name] for name in update},
        where=None if if_changed is None else table.c[if_changed] != statement.excluded[if_changed],
    )
    return result


def execute_as_one(connection: Connection, *statements: Insert) -> CursorResult[Any]:
    """Execute several INSERTs, on PostgreSQL as one statement of data-modifying CTEs, which all see the same snapshot.

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


def in_ids(connection: Connection, column_: ColumnElement[int], ids: Sequence[int]) -> ColumnElement[bool]:
    """`column IN (ids)` with the ids as one parameter, so that the statement is the same for any number of them."""
    if connection.dialect.name == "postgresql":
        # Written out here: psycopg looks at each element of a list for what might need quoting.
        written = bindparam("ids", "{" + ",".join(map(str, ids)) + "}", String, unique=True)
        return column_ == any_(cast(written, postgresql.ARRAY(BigInteger)))
    each = func.json_each(bindparam("ids", json.dumps(list(ids)), unique=True)).table_valued("value")
    return column_.in_(select(each.c.value))


def shifted(connection: Connection, moment: ColumnElement[datetime], by: timedelta) -> ColumnElement[Any]:
    """The moment of an Instant column, later by that; on SQLite to the millisecond."""
    if connection.dialect.name == "postgresql":
        return moment + literal(by, Interval())
    # In the form of _sqlite_moment. %f has three digits.
    return func.strftime("%Y-%m-%d %H:%M:%f000", moment, f"{by.total_seconds():+.3f} seconds")


def values_table(
    connection: Connection, name: str, columns: Mapping[str, TypeEngine[Any]], data: Sequence[Sequence[Any]]
) -> FromClause:
    """A table of values inside a statement, sent as one JSON parameter.

    VALUES with thousands of parameters would be compiled again for every length. Values are strings, numbers, None and
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
