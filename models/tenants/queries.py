"""Tenants: create, list, and the settings of each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from models.rooms.tables import rooms
from models.sql.statements import insert_ignore
from models.tenants.tables import tenants

# A batch has 50 (mail) to 1,000 places, and everyone who waits gets one: larger weights would change little.
MAX_WEIGHT = 100


def create_tenant(connection: Connection, tenant_id: str, name: str, now: datetime) -> bool:
    """Create the tenant and its room. False where it exists already."""
    created = connection.execute(
        insert_ignore(connection, tenants).values(id=tenant_id, name=name, created_at=now).returning(tenants.c.id)
    ).first()
    connection.execute(insert_ignore(connection, rooms).values(tenant_id=tenant_id, kind="tenant", key=tenant_id))
    return created is not None


def tenant_exists(connection: Connection, tenant_id: str) -> bool:
    """Whether there is such a tenant."""
    return connection.execute(select(tenants.c.id).where(tenants.c.id == tenant_id)).first() is not None


def list_tenants(connection: Connection, tenant_id: str | None = None) -> Sequence[Any]:
    """Every tenant by its id, or that one alone."""
    query = select(tenants).order_by(tenants.c.id)
    return connection.execute(query if tenant_id is None else query.where(tenants.c.id == tenant_id)).all()


def dialect_of(connection: Connection, tenant_id: str) -> str | None:
    """What the tenant's clients speak that name no dialect. None where nobody has chosen."""
    name: str | None = connection.execute(select(tenants.c.dialect).where(tenants.c.id == tenant_id)).scalar()
    return name


def choose_dialect(connection: Connection, tenant_id: str, dialect: str) -> None:
    """Have the tenant's clients that name no dialect spoken to in this one, from their next connection on."""
    connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(dialect=dialect))


def weight_of(connection: Connection, tenant_id: str) -> int:
    """The tenant's weight in the taking of turns. Raises NoResultFound where there is no such tenant."""
    weight: int = connection.execute(select(tenants.c.weight).where(tenants.c.id == tenant_id)).scalar_one()
    return weight


def set_weight(connection: Connection, tenant_id: str, weight: int) -> None:
    """Have the tenant's share of a batch be in proportion to this (1 to HEAVIEST), from the next batch on."""
    connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(weight=weight))
