"""Locks of many deliveries, in the one order in which all transactions take them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, func, select

from models.deliveries.tables import deliveries


def lock_deliveries(connection: Connection, *which: ColumnElement[bool]) -> None:
    """Lock these deliveries until the commit, in the order of their ids: that in which workers record their batches.

    Later statements see what claims and records have made of them that were not committed before. SQLite has one writer
    and needs no locks.
    """
    if connection.dialect.name == "postgresql":
        ordered = (
            select(deliveries.c.id).where(*which).order_by(deliveries.c.id).with_for_update(key_share=True).subquery()
        )
        connection.execute(select(func.count()).select_from(ordered))
