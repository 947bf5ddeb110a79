"""Record what became of deliveries that were sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    SmallInteger,
    String,
    bindparam,
    case,
    func,
    insert,
    null,
    select,
    update,
)
from sqlalchemy.types import TypeEngine

from carillon.text import cut, printable
from models.channels import withdrawable
from models.deliveries.lifecycle import Failure, State, Transition
from models.deliveries.tables import attempts, deliveries
from models.deliveries.withdrawals import hasten
from models.sql.locks import lock_rows
from models.sql.statements import in_ids, values_table
from models.sql.types import BigId, Instant

# Transitions by the id of their delivery.
Results = Sequence[tuple[int, Transition]]

# As long as the columns.
MAX_REASON = 500
MAX_PROVIDER_ID = 255
# Failed attempts of a delivery that are kept. In an outage of days there are hundreds: the last one takes the place of
# the one before.
MAX_KEPT = 20
# The largest number that the column holds.
_MAX_NUMBER = 2**15 - 1

_RESULT: dict[str, TypeEngine[Any]] = {
    "id": BigId,
    "state": String(),
    "attempts": SmallInteger(),
    "due_at": Instant(),
    "failure": String(),
    "reason": String(),
    "provider_id": String(),
}


def record(connection: Connection, lease: UUID, results: Results, now: datetime) -> int:
    """Write the results of deliveries that are still under this lease. Returns how many were.

    The results of a worker that outlived its lease are dropped, and so are those of deliveries that were acknowledged
    meanwhile.
    """
    written = _write(connection, deliveries.c.lease == lease, results, now)
    if shown := [row for row in written if row.channel in withdrawable()]:
        hasten(connection, [row.id for row in shown], {row.notification_id for row in shown}, now)
    return len(written)


def correct(connection: Connection, results: Results, now: datetime) -> int:
    """Write the results of in-app deliveries that were recorded as sent when they were written (ADR 18).

    For what could not be published. Deliveries that were acknowledged meanwhile stay as they are. Returns how many
    were corrected.
    """
    return len(_write(connection, deliveries.c.state == State.SENT, results, now))


def _write(connection: Connection, ours: ColumnElement[bool], results: Results, now: datetime) -> Sequence[Row[Any]]:
    if not results:
        return []
    lock_rows(connection, deliveries, in_ids(connection, deliveries.c.id, [row_id for row_id, _ in results]), ours)
    new = values_table(connection, "new", _RESULT, [_as_row(row_id, transition) for row_id, transition in results])
    pending = new.c.state == State.PENDING.value
    written = connection.execute(
        update(deliveries)
        .where(deliveries.c.id == new.c.id, ours)
        .values(
            state=new.c.state,
            attempts=new.c.attempts,
            due_at=new.c.due_at,
            # What is deferred keeps what it failed with before.
            failure=case((pending, func.coalesce(new.c.failure, deliveries.c.failure)), else_=new.c.failure),
            reason=case((pending, func.coalesce(new.c.reason, deliveries.c.reason)), else_=new.c.reason),
            provider_id=func.coalesce(new.c.provider_id, deliveries.c.provider_id),
            sent_at=case((new.c.state == State.SENT.value, now), else_=null()),
            lease=null(),
        )
        .returning(deliveries.c.id, deliveries.c.notification_id, deliveries.c.channel)
    ).all()
    ids = {row.id for row in written}
    _keep_attempts(connection, [result for result in results if result[0] in ids], now)
    return written


def _keep_attempts(connection: Connection, results: Results, now: datetime) -> None:
    failed: list[dict[str, Any]] = [
        {
            "delivery_id": row_id,
            "number": min(t.number, _MAX_NUMBER),
            "at": now,
            "failure": t.failure.value,
            "reason": storable(t.reason) or "",
        }
        for row_id, t in results
        if t.failure is not None and t.failure not in (Failure.POLICY, Failure.EXPIRED)
    ]
    if not failed:
        return
    if added := [row for row in failed if row["number"] <= MAX_KEPT]:
        connection.execute(insert(attempts), added)
    if late := [row for row in failed if row["number"] > MAX_KEPT]:
        named = in_ids(connection, attempts.c.delivery_id, [row["delivery_id"] for row in late])
        newest = select(attempts.c.delivery_id, func.max(attempts.c.id)).where(named).group_by(attempts.c.delivery_id)
        last = dict(tuple(row) for row in connection.execute(newest))
        connection.execute(
            update(attempts).where(attempts.c.id == bindparam("last")),
            [row | {"last": last[row["delivery_id"]]} for row in late],
        )


def _as_row(row_id: int, t: Transition) -> tuple[Any, ...]:
    failure = t.failure.value if t.failure else None
    provider_id = storable(t.provider_id, MAX_PROVIDER_ID)
    return (row_id, t.state.value, t.attempts, t.due_at, failure, storable(t.reason), provider_id)


def storable(text: str | None, limit: int = MAX_REASON) -> str | None:
    """A provider's text as a column holds it: printable, and not too long."""
    return cut(printable(text), limit) if text else text
