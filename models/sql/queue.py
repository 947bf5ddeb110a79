"""A queue in a table: rows fall due, are taken under a lease, and are due again when it runs out.

Works on any table with a column `due_at` that is NULL exactly when there is nothing left to do with the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, select, update


def due_rows(
    table: Table,
    now: datetime,
    limit: int,
    *where: ColumnElement[bool],
    columns: Sequence[ColumnElement[Any]] = (),
    order_by: Sequence[ColumnElement[Any]] = (),
) -> Select[Any]:
    """SELECT up to `limit` due rows and lock them, without waiting for those that another transaction holds.

    Yields the ids if no `columns` are named, oldest first if no order is given.
    """
    return (
        select(*(columns or (table.c.id,)))
        .where(table.c.due_at <= now, *where)
        .order_by(*(order_by or (table.c.due_at,)))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )


def take_due(
    connection: Connection,
    table: Table,
    now: datetime,
    limit: int,
    until: datetime,
    *where: ColumnElement[bool],
    returning: Sequence[ColumnElement[Any]],
    order_by: Sequence[ColumnElement[Any]] = (),
    also: dict[str, Any] | None = None,
) -> Sequence[Row[Any]]:
    """Take up to `limit` due rows until the moment `until`, when they are due again. `also` sets other columns.

    Two transactions never take the same row: it is skipped while it is locked, and no longer due afterwards.
    """
    # In a CTE, because PostgreSQL can run a plain subquery more than once and then lock more than `limit` rows.
    due = due_rows(table, now, limit, *where, order_by=order_by).cte("due")
    return connection.execute(
        update(table)
        .where(table.c.id.in_(select(due.c.id)))
        .values({"due_at": until} | (also or {}))
        .returning(*returning)
    ).all()
