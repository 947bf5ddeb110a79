"""Take rows of the outbox, remove those that were accepted, and keep those that were rejected."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, delete, exists, func, literal_column, select, update

from models.outbox.tables import carillon_outbox as outbox


class Entry(NamedTuple):
    """A row that waits to be taken in."""

    id: UUID
    tenant_id: str
    kind: str
    body: Any
    idempotency_key: str | None
    attempts: int


class Rejected(NamedTuple):
    """A row that cannot be accepted, and the problem document that says why."""

    id: UUID
    tenant_id: str
    kind: str
    body: Any
    created_at: datetime
    rejected_at: datetime
    problem: dict[str, Any]


class Backlog(NamedTuple):
    """Rows that are due, up to 10,000; the age of the oldest in seconds; rejected rows, up to 10,000."""

    due: int
    oldest: float
    rejected: int


_MAX_COUNTED = 10_000


def take(
    connection: Connection, now: datetime, limit: int, kinds: Sequence[str], *, other: bool = False
) -> list[Entry]:
    """Lock up to `limit` due rows of these kinds, or of all `other` kinds, in the order of their insertion.

    Rows that another process holds are skipped. The locks last until the end of the transaction, in which each row has
    to be removed, rejected or put off.
    """
    # Ids made in the same millisecond are in no order. PostgreSQL's time has microseconds, SQLite counts its rows.
    sqlite = connection.dialect.name == "sqlite"
    order = (literal_column("rowid"),) if sqlite else (outbox.c.created_at, outbox.c.id)
    of_kind = outbox.c.kind.not_in(kinds) if other else outbox.c.kind.in_(kinds)
    rows = connection.execute(
        select(*(outbox.c[name] for name in Entry._fields))
        .where(outbox.c.due_at <= now, of_kind)
        .order_by(*order)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [Entry._make(row) for row in rows]


def take_turn(connection: Connection) -> bool:
    """Whether no other transaction has the turn. Until the end of this one none will: one writer keeps the order."""
    if connection.dialect.name == "sqlite":
        return True
    return bool(connection.scalar(select(func.pg_try_advisory_xact_lock(func.hashtextextended("carillon_outbox", 0)))))


def remove(connection: Connection, ids: Sequence[UUID]) -> None:
    """Remove rows that were accepted."""
    if ids:
        connection.execute(delete(outbox).where(outbox.c.id.in_(ids)))


def reject(connection: Connection, row_id: UUID, problem: dict[str, Any], now: datetime) -> None:
    """Keep a row that cannot be accepted, with the problem document that says why."""
    connection.execute(
        update(outbox).where(outbox.c.id == row_id).values(due_at=None, problem=problem, rejected_at=now)
    )


def put_off(connection: Connection, row_id: UUID, due_at: datetime) -> None:
    """Look at a row again at `due_at`; count the attempt."""
    connection.execute(
        update(outbox).where(outbox.c.id == row_id).values(due_at=due_at, attempts=outbox.c.attempts + 1)
    )


def is_due(connection: Connection, now: datetime) -> bool:
    """Whether a row waits to be taken in."""
    return bool(connection.execute(select(exists().where(outbox.c.due_at <= now))).scalar_one())


def backlog(connection: Connection, now: datetime) -> Backlog:
    """How much waits, and how much was rejected."""
    due = select(outbox.c.created_at).where(outbox.c.due_at <= now).limit(_MAX_COUNTED).subquery()
    row = connection.execute(select(func.count().label("number"), func.min(due.c.created_at).label("oldest"))).one()
    rejected = select(outbox.c.id).where(outbox.c.rejected_at.is_not(None)).limit(_MAX_COUNTED).subquery()
    number = connection.execute(select(func.count()).select_from(rejected)).scalar_one()
    return Backlog(row.number, max((now - row.oldest).total_seconds(), 0.0) if row.oldest else 0.0, number)


def list_rejected(
    connection: Connection, tenant_id: str, *, before: UUID | None = None, limit: int = 100
) -> list[Rejected]:
    """The tenant's rejected rows, newest first, below the id `before`."""
    where = [outbox.c.tenant_id == tenant_id, outbox.c.rejected_at.is_not(None)]
    if before is not None:
        where.append(outbox.c.id < before)
    rows = connection.execute(
        select(*(outbox.c[name] for name in Rejected._fields)).where(*where).order_by(outbox.c.id.desc()).limit(limit)
    )
    return [Rejected._make(row) for row in rows]


def purge(connection: Connection, now: datetime, retention: timedelta, limit: int) -> int:
    """Delete up to `limit` rows that were rejected longer ago than the retention. Returns how many."""
    old = select(outbox.c.id).where(outbox.c.rejected_at <= now - retention).limit(limit)
    return connection.execute(delete(outbox).where(outbox.c.id.in_(old))).rowcount
