"""Whose deliveries are next: urgent lanes before others, and within a lane every tenant in turn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, exists, select

from models.content import Lane
from models.tables import deliveries

# Tenants served by one batch; each costs a statement, so a batch of a thousand is not cut into crumbs.
MOST = 16


def waiting_tenants(connection: Connection, channel: str, lane: Lane, now: datetime) -> Sequence[str]:
    """The tenants that have a delivery due in the lane, in alphabetical order.

    Costs a few steps in the index for each tenant with open work, however many deliveries it has.
    """
    open_ = (deliveries.c.channel == channel, deliveries.c.lane == lane, deliveries.c.due_at.is_not(None))
    tenant = deliveries.c.tenant_id
    first = select(tenant).where(*open_).order_by(tenant).limit(1)
    here = select(first.scalar_subquery().label("tenant_id")).cte("here", recursive=True)
    after = select(tenant).where(*open_, tenant > here.c.tenant_id).order_by(tenant).limit(1)
    here = here.union_all(select(after.scalar_subquery()).where(here.c.tenant_id.is_not(None)))
    due = exists().where(
        deliveries.c.channel == channel,
        deliveries.c.lane == lane,
        tenant == here.c.tenant_id,
        deliveries.c.due_at <= now,
    )
    return connection.execute(select(here.c.tenant_id).where(here.c.tenant_id.is_not(None), due)).scalars().all()


def turns(tenants: Sequence[str], spin: float) -> Sequence[str]:
    """Those that this batch serves; where there are too many, another stretch of them for another `spin` (0 to 1)."""
    if len(tenants) <= MOST:
        return tenants
    start = int(spin * len(tenants)) % len(tenants)
    return [*tenants[start:], *tenants[:start]][:MOST]
