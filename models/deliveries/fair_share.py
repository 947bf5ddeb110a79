"""Whose deliveries are next: within a lane every tenant in turn, with shares in proportion to their weights."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, exists, select

from models.deliveries.tables import deliveries
from models.lanes import Lane
from models.tenants.tables import tenants

# Tenants served by one batch; each costs a statement, so a batch of a thousand is not cut into crumbs.
MOST = 16


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


def choose_tenants(weights: Mapping[str, int], spin: float) -> Mapping[str, int]:
    """Those that this batch serves, with weights for it alone; where there are too many, others for another `spin`.

    Over all spins (0 to 1) each gets what it would get if all were served. Whoever is owed at least one place in MOST
    is always there, and the others are drawn, by their weights, for the places that are left.
    """
    if len(weights) <= MOST:
        return weights
    places, total = MOST, sum(weights.values())
    always: dict[str, int] = {}
    for tenant in sorted(weights, key=weights.__getitem__, reverse=True):
        if weights[tenant] * places < total:
            break
        always[tenant] = weights[tenant]
        places, total = places - 1, total - weights[tenant]
    drawn = _divided({t: weight for t, weight in weights.items() if t not in always}, places, spin)
    # Those drawn stand for all that were not: each of them for as many, for it was the likelier the more it weighs.
    return {t: weight * places for t, weight in always.items()} | dict.fromkeys(drawn, total)


def allocate(weights: Mapping[str, int], room: int, spin: float) -> dict[str, int]:
    """How many of `room` deliveries each may take: one at least as long as there is room, else by weight.

    The sum is `room`. Among those that are owed more than one each gets what it is owed, rounded up or down.
    """
    total = sum(weights.values())
    least: dict[str, int] = {}
    if len(weights) <= room:
        for tenant in sorted(weights, key=weights.__getitem__):
            if weights[tenant] * room >= total:
                break
            least[tenant] = 1
            room, total = room - 1, total - weights[tenant]
    return least | _divided({t: weight for t, weight in weights.items() if t not in least}, room, spin)


def _divided(weights: Mapping[str, int], number: int, spin: float) -> dict[str, int]:
    # Systematic sampling: the weights lie end to end, with `number` marks along them at equal distances, shifted by the
    # spin. A tenant gets the marks on its weight: what it is owed, rounded up or down; over all spins exactly that.
    total = sum(weights.values())
    shift = int(spin * total)
    divided: dict[str, int] = {}
    end, before = 0, shift // total
    for tenant, weight in weights.items():
        end += weight
        passed = (end * number + shift) // total
        if passed > before:
            divided[tenant] = passed - before
        before = passed
    return divided
