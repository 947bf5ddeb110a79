"""Add to the usage of tenants, read it, and delete what is past retention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Date, String, delete, func, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from models.sql.statements import values_table
from models.usage.tables import usage

NOTIFICATIONS = "notifications"
RECIPIENTS = "recipients"


class Measure(NamedTuple):
    """What is counted. `channel` is "" for notifications and recipients; else `measure` is a state of deliveries."""

    tenant: str
    mode: str
    day: date
    channel: str
    measure: str


@dataclass(slots=True)
class Used:
    """What a tenant used, on a day or on several. `deliveries`: by channel, then by state."""

    notifications: int = 0
    recipients: int = 0
    deliveries: dict[str, dict[str, int]] = field(default_factory=dict)

    def _add(self, channel: str, measure: str, number: int) -> None:
        if channel:
            self.deliveries.setdefault(channel, {})[measure] = number
        else:
            setattr(self, measure, number)


_COLUMNS: dict[str, TypeEngine[Any]] = {
    "tenant_id": String(),
    "mode": String(),
    "day": Date(),
    "channel": String(),
    "measure": String(),
    "number": BigInteger(),
}


def add(connection: Connection, counts: Mapping[Measure, int]) -> None:
    """Add these numbers to what was counted before."""
    rows = [(*m._replace(day=m.day.isoformat()), number) for m, number in counts.items()]  # type: ignore[arg-type]
    new = values_table(connection, "new", _COLUMNS, rows)
    # In the order of the key: two processes that add at once wait for each other, and never in a circle.
    source = select(*new.c).order_by(*(new.c[column.name] for column in usage.primary_key))
    insert: Any = postgresql.insert(usage) if connection.dialect.name == "postgresql" else sqlite.insert(usage)
    insert = insert.from_select(list(_COLUMNS), source)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=[column.name for column in usage.primary_key],
            set_={"number": usage.c.number + insert.excluded.number},
        )
    )


def by_day(connection: Connection, tenant_id: str, mode: str, since: date, until: date) -> dict[date, Used]:
    """What the tenant used on each day from `since` to `until`, both included: newest first, without idle days."""
    rows = connection.execute(
        select(usage.c.day, usage.c.channel, usage.c.measure, usage.c.number)
        .where(usage.c.tenant_id == tenant_id, usage.c.mode == mode, usage.c.day.between(since, until))
        .order_by(usage.c.day.desc(), usage.c.channel, usage.c.measure)
    )
    found: dict[date, Used] = {}
    for day, channel, measure, number in rows:
        found.setdefault(day, Used())._add(channel, measure, number)
    return found


def by_tenant(
    connection: Connection, mode: str, since: date, until: date, tenant_id: str | None = None
) -> dict[str, Used]:
    """What each tenant used from `since` to `until`, both included, or that one alone: by ids, without idle tenants."""
    columns = (usage.c.tenant_id, usage.c.channel, usage.c.measure)
    where = [usage.c.mode == mode, usage.c.day.between(since, until)]
    if tenant_id is not None:
        where.append(usage.c.tenant_id == tenant_id)
    rows = connection.execute(
        select(*columns, func.sum(usage.c.number)).where(*where).group_by(*columns).order_by(*columns)
    )
    found: dict[str, Used] = {}
    for tenant, channel, measure, number in rows:
        # PostgreSQL adds up bigints to a numeric.
        found.setdefault(tenant, Used())._add(channel, measure, int(number))
    return found


def purge(connection: Connection, now: datetime, retention: timedelta, limit: int) -> int:
    """Delete up to `limit` counts of days that are past retention. Returns how many."""
    key = tuple(usage.primary_key)
    old = select(*key).where(usage.c.day < (now - retention).date()).limit(limit)
    return connection.execute(delete(usage).where(tuple_(*key).in_(old))).rowcount
