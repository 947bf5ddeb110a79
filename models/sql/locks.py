"""Row locks of PostgreSQL, in the one order in which all transactions take them: users, addresses, rooms, deliveries.

And within a table in the order of ids. What is written about a conversation is written under the lock of its room. A
transaction that inserts a row about a user holds the user meanwhile, so that nobody can delete them in between. SQLite
has one writer and needs no locks.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Table, func, select


def lock_rows(connection: Connection, table: Table, *which: ColumnElement[bool], to_delete: bool = False) -> None:
    """Lock these rows until the commit. Later statements see what those made of them who had them before."""
    if connection.dialect.name == "postgresql":
        rows = select(table.c.id).where(*which).order_by(table.c.id).with_for_update(key_share=not to_delete).subquery()
        connection.execute(select(func.count()).select_from(rows))


def hold_rows(
    connection: Connection, table: Table, *which: ColumnElement[bool], skip_locked: bool = False
) -> Sequence[int]:
    """The ids of these rows, in their order, which cannot be deleted until the commit. They can be changed.

    `skip_locked`: without those that another transaction is deleting; for who holds locks that come later in the order.
    """
    rows = select(table.c.id).where(*which).order_by(table.c.id)
    rows = rows.with_for_update(read=True, key_share=True, skip_locked=skip_locked)
    return connection.execute(rows).scalars().all()
