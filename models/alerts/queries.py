"""Alerts: one state for a whole tenant. The first acknowledgement counts for all users."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from carillon.own_ids import own_id
from carillon.payload import is_storable
from models.alerts.tables import alerts
from models.events import log
from models.ids import as_uuid
from models.lanes import Lane
from models.rooms.names import tenant_room
from models.sql.statements import insert_ignore
from models.timestamps import iso

State = Literal["new", "acknowledged"]

# A count is true for a moment only. It is kept for any client that polls.
COUNT_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NewAlert:
    """A validated request. `body_sha256` distinguishes a repeated request from a different one with the same key."""

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
    own_id: str | None = None


class Alert(NamedTuple):
    """A row of `alerts`."""

    id: UUID
    tenant_id: str
    body_sha256: str
    title: str
    message: str
    level: str
    type: str
    data: dict[str, Any]
    created_at: datetime
    expires_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    own_id: str | None


_COLUMNS = tuple(alerts.c[name] for name in Alert._fields)


@dataclass(frozen=True, slots=True)
class Created:
    """`replayed`: the key was known. `same_body`: and the request was the same."""

    alert: Alert
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
        "own_id": new.own_id,
    }
    row = connection.execute(insert_ignore(connection, alerts).values(values).returning(*_COLUMNS)).one_or_none()
    if row is None:
        if new.idempotency_key is None:
            raise IdInUse
        earlier = connection.execute(
            select(*_COLUMNS).where(
                alerts.c.tenant_id == new.tenant_id, alerts.c.idempotency_key == new.idempotency_key
            )
        ).one_or_none()
        if earlier is None:
            raise IdInUse
        return Created(Alert._make(earlier), True, earlier.body_sha256 == new.body_sha256)
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
    _announce(connection, Alert._make(row), "alert:new", data, now)
    return Created(Alert._make(row))


def acknowledge(connection: Connection, tenant_id: str, alert_id: UUID, user: str, now: datetime) -> Alert | None:
    """Acknowledge the alert for all users. The first to do so is recorded. None if there is no such alert.

    Idempotent: later calls change nothing and publish nothing.
    """
    row = connection.execute(
        update(alerts)
        .where(*_shown(tenant_id, now), alerts.c.id == alert_id, alerts.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now, acknowledged_by=user)
        .returning(*_COLUMNS)
    ).one_or_none()
    if row is None:
        return find(connection, tenant_id, alert_id, now)
    data = {"acknowledged_by": user, "acknowledged_at": iso(now)}
    alert = Alert._make(row)
    _announce(connection, alert, "alert:acknowledged", data, now)
    return alert


def remove(connection: Connection, tenant_id: str, alert_id: UUID, now: datetime) -> bool:
    """Delete the alert for all users. False if there never was such an alert. Idempotent."""
    this = (alerts.c.tenant_id == tenant_id, alerts.c.id == alert_id)
    row = connection.execute(
        update(alerts).where(*_shown(tenant_id, now), *this).values(deleted_at=now).returning(*_COLUMNS)
    ).one_or_none()
    if row is None:
        return connection.execute(select(alerts.c.id).where(*this)).first() is not None
    _announce(connection, Alert._make(row), "alert:deleted", {}, now)
    return True


def find(connection: Connection, tenant_id: str, alert_id: UUID, now: datetime) -> Alert | None:
    """The tenant's alert; None if it is deleted, expired, or another tenant's."""
    row = connection.execute(select(*_COLUMNS).where(*_shown(tenant_id, now), alerts.c.id == alert_id)).one_or_none()
    return Alert._make(row) if row is not None else None


def find_id(connection: Connection, tenant_id: str, name: str) -> UUID | None:
    """The id of the alert that a name means: Carillon's id of it, or the service's own; of several the newest."""
    named = as_uuid(name)
    own = [alerts.c.own_id == name] if is_storable(name) else []
    for this in [*([alerts.c.id == named] if named else []), *own]:
        found: UUID | None = connection.execute(
            select(alerts.c.id).where(alerts.c.tenant_id == tenant_id, this).order_by(alerts.c.id.desc()).limit(1)
        ).scalar_one_or_none()
        if found is not None:
            return found
    return None


def list_alerts(
    connection: Connection,
    tenant_id: str,
    now: datetime,
    *,
    state: State | None = None,
    level: str | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Alert]:
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
    found = connection.execute(select(*_COLUMNS).where(*where).order_by(alerts.c.id.desc()).limit(limit))
    return [Alert._make(row) for row in found]


def count_unacknowledged(connection: Connection, tenant_id: str, now: datetime) -> int:
    """Return how many of the tenant's alerts are not acknowledged."""
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


def _announce(connection: Connection, alert: Alert, event: str, data: dict[str, Any], now: datetime) -> None:
    """Publish the event to the tenant, and then the number of alerts left. The room is locked in between."""
    room = tenant_room(alert.tenant_id)
    lane = Lane.critical if alert.level == "critical" else Lane.high
    named: dict[str, Any] = {"id": str(alert.id), "alert_id": str(alert.id)}
    own = own_id(alert.data, "alert_id", alert.own_id)
    if own is not None:
        named["own_ids"] = [own]
    log.append(connection, alert.tenant_id, room, event, named | data, now, alert.expires_at, lane)
    left = {"unacknowledged": count_unacknowledged(connection, alert.tenant_id, now)}
    log.append(connection, alert.tenant_id, room, "alert:count", left, now, now + COUNT_KEPT, lane)
