"""After the clock of the installation was set back: bring forward what would otherwise wait for as long again.

The clock is the database's (models/sql/clock.py). It goes back when the time of its machine is corrected, or when
another server with another time takes over.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, and_, or_, select, tuple_, update

from models.channels import CHANNELS
from models.deliveries.lifecycle import State
from models.deliveries.tables import deliveries
from models.events.tables import meta, outbox, staged_events
from models.notifications.tables import notifications
from models.outbox.tables import carillon_outbox
from models.sql.statements import insert_ignore, shifted

# How often the time is noted. What waits can be late by as much after the clock was set back.
NOTED = timedelta(seconds=10)

# Two processes can differ by less: they know the database's time as exactly as it takes to ask for it.
_TOLERANCE = timedelta(seconds=1)

# Rows of a table in one transaction.
LIMIT = 10_000

# The next page of an audience, events that are published, and windows of events wait for less.
_MINUTE = timedelta(minutes=1)
# The longest back-off of a row of services (actions/take_in.py).
_ROW = timedelta(minutes=6)

_NAME = "clock"


class SetBack(NamedTuple):
    """By how many seconds the clock was set back, and how many rows were brought forward."""

    seconds: float
    rows: int


def follow_clock(connection: Connection, now: datetime, lease: timedelta) -> SetBack | None:
    """Note the time. If it is before the time that was noted last, bring forward what waits for too long.

    That is what is due later than the longest back-off or lease from now on; the rest is late by less. Call it every
    second. It handles LIMIT rows of each table at once, and the next call goes on.
    """
    noted = connection.scalar(select(meta.c.value).where(meta.c.name == _NAME))
    if noted is None:
        connection.execute(insert_ignore(connection, meta).values(name=_NAME, value=now.isoformat()))
        return None
    back = datetime.fromisoformat(noted) - now
    if -NOTED < back <= _TOLERANCE:
        return None
    moved = []
    if back > _TOLERANCE:
        moved = [_bring_forward(connection, table, late, back) for table, late in _waiting_too_long(now, lease)]
    if max(moved, default=0) < LIMIT:
        connection.execute(update(meta).where(meta.c.name == _NAME).values(value=now.isoformat()))
    return SetBack(back.total_seconds(), sum(moved)) if moved else None


def _waiting_too_long(now: datetime, lease: timedelta) -> Iterator[tuple[Table, ColumnElement[bool]]]:
    sending = and_(deliveries.c.state == State.SENDING.value, deliveries.c.due_at > now + lease)
    for name, spec in CHANNELS.items():
        longest = timedelta(seconds=spec.policy.cap)
        pending = and_(deliveries.c.state == State.PENDING.value, deliveries.c.due_at > now + longest)
        yield deliveries, and_(deliveries.c.channel == name, or_(pending, sending))
    for table in (notifications, outbox, staged_events):
        yield table, table.c.due_at > now + _MINUTE
    yield carillon_outbox, carillon_outbox.c.due_at > now + _ROW


def _bring_forward(connection: Connection, table: Table, late: ColumnElement[bool], back: timedelta) -> int:
    key: list[Any] = list(table.primary_key)
    # What another transaction holds gets a due time of its own there.
    rows = select(*key).where(late).limit(LIMIT).with_for_update(skip_locked=True).cte("late")
    moved = (
        update(table).where(tuple_(*key).in_(select(rows))).values(due_at=shifted(connection, table.c.due_at, -back))
    )
    # Counted here: SQLite's driver counts no rows of a statement that begins with a CTE.
    return len(connection.execute(moved.returning(table.c.due_at)).all())
