"""Append to the audit log, read it, and delete what is past retention."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import Connection, delete, select, tuple_

from models.audit.tables import audit_log
from models.timestamps import first_id


class Record(NamedTuple):
    """A record. `tenant_id` is "*" for what concerns the whole installation."""

    tenant_id: str
    id: UUID
    at: datetime
    actor_kind: str
    actor: str
    action: str
    subject: str
    details: Mapping[str, Any]
    ip: str | None
    request_id: str | None


def append(
    connection: Connection,
    tenant_id: str,
    actor_kind: str,
    actor: str,
    action: str,
    subject: str,
    now: datetime,
    *,
    details: Mapping[str, Any],
    ip: str | None = None,
    request_id: str | None = None,
) -> None:
    """Add a record, in the caller's transaction."""
    connection.execute(
        audit_log.insert().values(
            tenant_id=tenant_id,
            id=uuid_utils.compat.uuid7(),
            at=now,
            actor_kind=actor_kind,
            actor=actor[:255],
            action=action,
            subject=subject[:255],
            details=dict(details),
            ip=ip,
            request_id=request_id,
        )
    )


def list_records(
    connection: Connection,
    tenant_id: str | None,
    *,
    action: str | None = None,
    before: UUID | None = None,
    limit: int = 100,
) -> list[Record]:
    """Records below the id `before`, newest first: those of the tenant, or all if `tenant_id` is None."""
    where = []
    if tenant_id is not None:
        where.append(audit_log.c.tenant_id == tenant_id)
    if action is not None:
        where.append(audit_log.c.action == action)
    if before is not None:
        where.append(audit_log.c.id < before)
    rows = connection.execute(
        select(*(audit_log.c[name] for name in Record._fields))
        .where(*where)
        .order_by(audit_log.c.id.desc())
        .limit(limit)
    )
    return [Record._make(row) for row in rows]


def purge(connection: Connection, now: datetime, retention: timedelta, limit: int) -> int:
    """Delete up to `limit` records older than the retention. Returns how many."""
    key = (audit_log.c.tenant_id, audit_log.c.id)
    old = select(*key).where(audit_log.c.id < first_id(now - retention)).limit(limit)
    return connection.execute(delete(audit_log).where(tuple_(*key).in_(old))).rowcount
