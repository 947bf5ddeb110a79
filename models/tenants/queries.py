"""Tenants: create, list, and the settings of each."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from models.rooms.tables import rooms
from models.sql.statements import insert_ignore
from models.tenants.tables import tenants

# A batch has 50 (mail) to 1,000 places, and everyone who waits gets one: larger weights would change little.
MAX_WEIGHT = 100

# What clients of a new tenant speak, if they name nothing else: each event once, under one name.
DIALECT = "canonical"


def create_tenant(connection: Connection, tenant_id: str, name: str, now: datetime, dialect: str | None = None) -> bool:
    """Create the tenant and its room. False if it exists already, and then it stays as it is."""
    created = connection.execute(
        insert_ignore(connection, tenants)
        .values(id=tenant_id, name=name, dialect=dialect, created_at=now)
        .returning(tenants.c.id)
    ).first()
    connection.execute(insert_ignore(connection, rooms).values(tenant_id=tenant_id, kind="tenant", key=tenant_id))
    return created is not None


def tenant_exists(connection: Connection, tenant_id: str) -> bool:
    """Whether there is such a tenant."""
    return connection.execute(select(tenants.c.id).where(tenants.c.id == tenant_id)).first() is not None


class Tenant(NamedTuple):
    """A row of `tenants`."""

    id: str
    name: str
    dialect: str | None
    weight: int
    created_at: datetime


def list_tenants(connection: Connection, tenant_id: str | None = None) -> list[Tenant]:
    """Every tenant by its id, or that one alone."""
    query = select(*(tenants.c[name] for name in Tenant._fields)).order_by(tenants.c.id)
    found = connection.execute(query if tenant_id is None else query.where(tenants.c.id == tenant_id))
    return [Tenant._make(row) for row in found]


def dialect_of(connection: Connection, tenant_id: str) -> str | None:
    """Return the dialect of the tenant's clients that name none. None if it was not set."""
    name: str | None = connection.execute(select(tenants.c.dialect).where(tenants.c.id == tenant_id)).scalar()
    return name


def choose_dialect(connection: Connection, tenant_id: str, dialect: str) -> None:
    """Have the tenant's clients that name no dialect spoken to in this one, from their next connection on."""
    connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(dialect=dialect))


def weight_of(connection: Connection, tenant_id: str) -> int:
    """The tenant's weight in the taking of turns. Raises NoResultFound if there is no such tenant."""
    weight: int = connection.execute(select(tenants.c.weight).where(tenants.c.id == tenant_id)).scalar_one()
    return weight


def set_weight(connection: Connection, tenant_id: str, weight: int) -> None:
    """Have the tenant's share of a batch be in proportion to this (1 to HEAVIEST), from the next batch on."""
    connection.execute(update(tenants).where(tenants.c.id == tenant_id).values(weight=weight))
