"""Quotas: how much of the installation a tenant can use."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from sqlalchemy import Connection, select

from models.sql.statements import upsert
from models.tenants.tables import quotas


class Quota(StrEnum):
    """What is limited. The last two are used up by requests, and come back evenly over 24 hours."""

    USERS = "users"
    TOPICS = "topics"
    EVENT_TYPES = "event_types"
    ATTACHMENTS = "attachment_bytes"
    RECIPIENTS = "recipients_per_day"
    BYTES = "bytes_per_day"


# More than this is a loop, or an installation whose operator has planned for it.
DEFAULTS: Mapping[Quota, int] = {
    Quota.USERS: 10_000_000,
    Quota.TOPICS: 100_000,
    Quota.EVENT_TYPES: 500,
    Quota.ATTACHMENTS: 100_000_000_000,
    Quota.RECIPIENTS: 10_000_000,
    Quota.BYTES: 10_000_000_000,
}


def quotas_of(connection: Connection, tenant_id: str) -> dict[Quota, int]:
    """The tenant's quotas: those that were set, and the defaults of the others."""
    rows = connection.execute(select(quotas.c.quota, quotas.c.number).where(quotas.c.tenant_id == tenant_id))
    return {**DEFAULTS, **{Quota(row.quota): row.number for row in rows}}


def set_quota(connection: Connection, tenant_id: str, quota: Quota, number: int) -> None:
    """Set one quota of the tenant, at least 1."""
    connection.execute(
        upsert(connection, quotas, ["tenant_id", "quota"], ["number"]).values(
            tenant_id=tenant_id, quota=quota.value, number=number
        )
    )
