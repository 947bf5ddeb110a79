"""Alerts: one shared state for a whole tenant. Whoever acknowledges first has acknowledged for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update

from models.alerts.tables import alerts
from models.events import log
from models.lanes import Lane
from models.sql.statements import insert_ignore
from models.timestamps import iso

State = Literal["new", "acknowledged"]

# A count is true for a moment only. It is kept for any client that polls.
COUNT_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NewAlert:
    """A validated request. `body_sha256` tells a repeated request from another one under the same key."""

    tenant_id: str
    title: str
    message: str
    expires_at: datetime
    body_sha256: str
    data: dict[str, Any]
    level: str = "warning"
    type: str = "alert"
    idempotency_key: str | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """`replayed`: the key was known. `same_body`: and the request was the same."""

    alert: Row[Any]
    replayed: bool = False
    same_body: bool = True


class IdInUse(Exception):
    """The id that was given belongs to another alert."""


def create(connection: Connection, new: NewAlert, now: datetime) -> Created:
    """Raise the alert, or find the one that has its idempotency key already. Raises IdInUse."""
    values = {
        "id": new.id or uuid_utils.compat.uuid7(),
        "tenant_id": new.tenant_id,
        "idempotency_key": new.idempotency_key,
        "body_sha256": new.body_sha256,
        "title": new.title,
        "message": new.message,
        "level": new.level,
        "type": new.type,
        "data": new.data,
        "created_at": now,
        "expires_at": new.expires_at,
    }
    row = connection.execute(insert_ignore(connection, alerts).values(values).returning(alerts)).one_or_none()
    if row is None:
        if new.idempotency_key is None:
            raise IdInUse
        earlier = connection.execute(
            select(alerts).where(alerts.c.tenant_id == new.tenant_id, alerts.c.idempotency_key == new.idempotency_key)
        ).one_or_none()
        if earlier is None:
            raise IdInUse
        return Created(earlier, True, earlier.body_sha256 == new.body_sha256)
    data = {
        "title": row.title,
        "message": row.message,
        "severity": row.level,
        "level": row.level,
        "type": row.type,
        "data": row.data,
        "created_at": iso(now),
        "expires_at": iso(row.expires_at),
    }
    _announce(connection, row, "alert:new", data, now)
    return Created(row)


def acknowledge(connection: Connection, tenant_id: str, alert_id: UUID, user: str, now: datetime) -> Row[Any] | None:
    """Acknowledge the alert for everybody; the first to do so is the one on record. None where there is no such alert.

    Idempotent: later calls change nothing, and nobody hears of them.
    """
    row = connection.execute(
        update(alerts)
        .where(*_shown(tenant_id, now), alerts.c.id == alert_id, alerts.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=user)
        .returning(alerts)
    ).one_or_none()
    if row is None:
        return find(connection, tenant_id, alert_id, now)
    data = {"acknowledged_by": user, "acknowledged_at": iso(now)}
    _announce(connection, row, "alert:acknowledged", data, now)
    return row


def remove(connection: Connection, tenant_id: str, alert_id: UUID, now: datetime) -> bool:
    """Take the alert away from everybody. False where there never was such an alert; repeating it changes nothing."""
    this = (alerts.c.tenant_id == tenant_id, alerts.c.id == alert_id)
    row = connection.execute(
        update(alerts).where(*_shown(tenant_id, now), *this).values(deleted_at=now).returning(alerts)
    ).one_or_none()
    if row is None:
        return connection.execute(select(alerts.c.id).where(*this)).first() is not None
    _announce(connection, row, "alert:deleted", {}, now)
    return True


def find(connection: Connection, tenant_id: str, alert_id: UUID, now: datetime) -> Row[Any] | None:
    """The tenant's alert; None where it is deleted, expired, or another tenant's."""
    return connection.execute(select(alerts).where(*_shown(tenant_id, now), alerts.c.id == alert_id)).one_or_none()


def list_alerts(
    connection: Connection,
    tenant_id: str,
    now: datetime,
    *,
    state: State | None = None,
    level: str | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Row[Any]]:
    """The tenant's alerts, newest first, below the id `before`."""
    where = _shown(tenant_id, now)
    if state is not None:
        new = alerts.c.acknowledged_at.is_(None)
        where.append(new if state == "new" else ~new)
    if level is not None:
        where.append(alerts.c.level == level)
    if before is not None:
        where.append(alerts.c.id < before)
    # The ids are UUIDv7: their order is that of creation.
    return list(connection.execute(select(alerts).where(*where).order_by(alerts.c.id.desc()).limit(limit)))


def count_unacknowledged(connection: Connection, tenant_id: str, now: datetime) -> int:
    """How many of the tenant's alerts nobody has acknowledged."""
    return connection.execute(
        select(func.count()).where(*_shown(tenant_id, now), alerts.c.acknowledged_at.is_(None))
    ).scalar_one()


def purge_alerts(connection: Connection, now: datetime, retention: timedelta, limit: int) -> int:
    """Delete up to `limit` alerts past retention. Returns how many.

    Until then one that was acknowledged, deleted or has expired stays on record.
    """
    old = (
        select(alerts.c.id)
        .where(alerts.c.created_at <= now - retention, alerts.c.expires_at <= now)
        .order_by(alerts.c.created_at)
        .limit(limit)
    )
    return connection.execute(delete(alerts).where(alerts.c.id.in_(old))).rowcount


def _shown(tenant_id: str, now: datetime) -> list[ColumnElement[bool]]:
    return [alerts.c.tenant_id == tenant_id, alerts.c.deleted_at.is_(None), alerts.c.expires_at > now]


def _announce(connection: Connection, alert: Row[Any], event: str, data: dict[str, Any], now: datetime) -> None:
    """Tell the tenant, and then how many alerts are left. The room's lock is held in between, so the last is true."""
    room = f"tenant:{alert.tenant_id}"
    lane = Lane.critical if alert.level == "critical" else Lane.high
    named = {"id": str(alert.id), "alert_id": str(alert.id)}
    log.append(connection, alert.tenant_id, room, event, named | data, now, alert.expires_at, lane)
    left = {"unacknowledged": count_unacknowledged(connection, alert.tenant_id, now)}
    log.append(connection, alert.tenant_id, room, "alert:count", left, now, now + COUNT_KEPT, lane)
