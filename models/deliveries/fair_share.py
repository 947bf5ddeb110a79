"""Fair shares: within a lane every tenant gets a part of each batch in proportion to its weight."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, exists, select

from models.deliveries.tables import deliveries
from models.lanes import Lane
from models.tenants.tables import tenants

# Tenants served by one batch. Each costs a statement.
MAX_TENANTS = 16


def waiting_tenants(connection: Connection, channel: str, lane: Lane, now: datetime) -> dict[str, int]:
    """The weights of the tenants that have a delivery due in the lane.

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
    # Not a join: SQLite would go through all tenants, and look for each among those that wait.
    weight = select(tenants.c.weight).where(tenants.c.id == here.c.tenant_id).scalar_subquery().label("weight")
    waiting = select(here.c.tenant_id, weight).where(here.c.tenant_id.is_not(None), due)
    return {row.tenant_id: row.weight for row in connection.execute(waiting)}


def choose_tenants(weights: Mapping[str, int], offset: float) -> Mapping[str, int]:
    """The tenants that this batch serves, with their weights in it; with too many tenants, others for another `offset`.

    Over all offsets (0 to 1) each gets what it would get if all were served. A tenant that is owed at least one place
    of MAX_TENANTS is always served. The others are drawn, by their weights, for the places that are left.
    """
    if len(weights) <= MAX_TENANTS:
        return weights
    places, total = MAX_TENANTS, sum(weights.values())
    always: dict[str, int] = {}
    for tenant in sorted(weights, key=weights.__getitem__, reverse=True):
        if weights[tenant] * places < total:
            break
        always[tenant] = weights[tenant]
        places, total = places - 1, total - weights[tenant]
    drawn = _divided({t: weight for t, weight in weights.items() if t not in always}, places, offset)
    # Drawn tenants also stand in for those not drawn. Each was drawn with probability proportional to its weight, so
    # now all of them get equal shares.
    return {t: weight * places for t, weight in always.items()} | dict.fromkeys(drawn, total)


def allocate(weights: Mapping[str, int], slots: int, offset: float) -> dict[str, int]:
    """How many of `slots` deliveries each tenant can take: at least one as long as there are slots, else by weight.

    The sum is `slots`. Each tenant that is owed more than one gets what it is owed, rounded up or down.
    """
    total = sum(weights.values())
    least: dict[str, int] = {}
    if len(weights) <= slots:
        for tenant in sorted(weights, key=weights.__getitem__):
            if weights[tenant] * slots >= total:
                break
            least[tenant] = 1
            slots, total = slots - 1, total - weights[tenant]
    return least | _divided({t: weight for t, weight in weights.items() if t not in least}, slots, offset)


def _divided(weights: Mapping[str, int], number: int, offset: float) -> dict[str, int]:
    # Systematic sampling: the weights lie end to end, with `number` marks at equal distances, shifted by the offset. A
    # tenant gets the marks on its weight: what it is owed, rounded up or down, and over all offsets exactly that.
    total = sum(weights.values())
    shift = int(offset * total)
    divided: dict[str, int] = {}
    end, before = 0, shift // total
    for tenant, weight in weights.items():
        end += weight
        passed = (end * number + shift) // total
        if passed > before:
            divided[tenant] = passed - before
        before = passed
    return divided
