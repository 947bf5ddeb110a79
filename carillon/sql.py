"""One INSERT on a connection of any library, without importing that library."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

# PEP 249's, and SQLAlchemy's name for asyncpg's.
_PLACEHOLDERS: dict[str, Callable[[int, str], str]] = {
    "qmark": lambda _number, _name: "?",
    "numeric": lambda number, _name: f":{number}",
    "named": lambda _number, name: f":{name}",
    "format": lambda _number, _name: "%s",
    "pyformat": lambda _number, name: f"%({name})s",
    "numeric_dollar": lambda number, _name: f"${number}",
}
_BY_NAME = ("named", "pyformat")


def execute(connection: Any, table: str, values: Mapping[str, Any]) -> None:
    """Insert one row in the transaction of `connection`. Raises TypeError for what is no connection or cursor.

    The statement has no casts: drivers send strings untyped, so that PostgreSQL reads them as the column's type.
    """
    if _is_asynchronous(connection):
        raise TypeError(
            "the outbox takes no asyncio connections; SQLAlchemy's have run_sync(), which passes one it takes"
        )
    if hasattr(connection, "get_bind") and callable(getattr(connection, "connection", None)):
        # A Session or a scoped_session of SQLAlchemy. `connection()` is the one of its present transaction.
        connection = connection.connection()
    if hasattr(connection, "exec_driver_sql"):
        connection.exec_driver_sql(*statement(table, values, connection.dialect.paramstyle))
        return
    is_cursor = hasattr(connection, "execute") and hasattr(connection, "fetchone")
    if not is_cursor and not callable(getattr(connection, "cursor", None)):
        raise TypeError(f"{type(connection).__name__} is no connection, session or cursor of a database")
    sql = statement(table, values, _paramstyle(connection))
    if is_cursor:
        connection.execute(*sql)
        return
    with closing(connection.cursor()) as cursor:
        cursor.execute(*sql)


def statement(table: str, values: Mapping[str, Any], paramstyle: str) -> tuple[str, dict[str, Any] | tuple[Any, ...]]:
    """Return an INSERT in a paramstyle of PEP 249, and its parameters."""
    placeholder = _PLACEHOLDERS[paramstyle]
    marks = ", ".join(placeholder(number, name) for number, name in enumerate(values, start=1))
    sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"  # noqa: S608 -- the names are ours
    return sql, dict(values) if paramstyle in _BY_NAME else tuple(values.values())


def _is_asynchronous(connection: Any) -> bool:
    methods = (getattr(type(connection), name, None) for name in ("execute", "cursor", "run_sync"))
    return any(inspect.iscoroutinefunction(method) for method in methods)


def _paramstyle(connection: Any) -> str:
    # Django's connection has a vendor, its cursor a `db`. Django takes %s on every database.
    if hasattr(getattr(connection, "db", connection), "vendor"):
        return "format"
    # What SQLAlchemy's raw_connection() returns wraps the driver's.
    driver = getattr(connection, "driver_connection", None) or connection
    for class_ in type(driver).__mro__:
        # The nearest package that says so: pg8000.dbapi has it, psycopg2.extensions leaves it to psycopg2.
        module = class_.__module__
        while module:
            paramstyle = getattr(sys.modules.get(module), "paramstyle", None)
            if paramstyle in _PLACEHOLDERS:
                return str(paramstyle)
            module = module.rpartition(".")[0]
    raise TypeError(f"the paramstyle of {type(connection).__name__} is not known: pass a connection of a DB-API driver")
