"""The types that a tenant has declared, and which declaration of a name holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from models.catalogue.event_type import NAME, Declaration, EventType
from models.catalogue.source import Catalogue
from models.catalogue.tables import event_types
from models.sql.statements import upsert


class TooManyTypes(Exception):
    """The tenant has as many types as it may have."""


def declare(
    connection: Connection, tenant_id: str, name: str, declaration: Declaration, now: datetime, most: int
) -> bool:
    """Declare a type that was checked, or replace its declaration. Returns whether it is new.

    Raises TooManyTypes if it is, and the tenant has `most` already.
    """
    this = (event_types.c.tenant_id == tenant_id, event_types.c.name == name)
    known = connection.execute(select(event_types.c.name).where(*this)).first() is not None
    if not known and count_types(connection, tenant_id) >= most:
        raise TooManyTypes
    connection.execute(
        upsert(connection, event_types, ["tenant_id", "name"], ["declaration", "updated_at"]).values(
            tenant_id=tenant_id,
            name=name,
            declaration=declaration.model_dump(mode="json", exclude_defaults=True),
            created_at=now,
            updated_at=now,
        )
    )
    return not known


def count_types(connection: Connection, tenant_id: str) -> int:
    """How many types the tenant has declared."""
    mine = select(func.count()).select_from(event_types).where(event_types.c.tenant_id == tenant_id)
    return connection.execute(mine).scalar_one()


def withdraw(connection: Connection, tenant_id: str, name: str) -> bool:
    """Forget the tenant's declaration; what all tenants share holds again. False if there is none."""
    this = (event_types.c.tenant_id == tenant_id, event_types.c.name == name)
    return bool(connection.execute(delete(event_types).where(*this)).rowcount)


def declared(connection: Connection, tenant_id: str) -> Sequence[EventType]:
    """The tenant's own types, by name."""
    mine = select(event_types).where(event_types.c.tenant_id == tenant_id).order_by(event_types.c.name)
    return [_type_of(row) for row in connection.execute(mine)]


def find(connection: Connection, tenant_id: str, name: str, catalogue: Catalogue) -> EventType | None:
    """The type as it holds for the tenant, or None."""
    common = catalogue.get(name)
    # What cannot be a name was never declared, and might be a text that the database does not take.
    if not NAME.fullmatch(name) or (common is not None and common.reserved):
        return common
    row = connection.execute(
        select(event_types).where(event_types.c.tenant_id == tenant_id, event_types.c.name == name)
    ).one_or_none()
    return _type_of(row) if row is not None else common


def all_types(connection: Connection, tenant_id: str, catalogue: Catalogue) -> list[EventType]:
    """Return all types of the tenant, by name."""
    merged = {**catalogue, **{type_.name: type_ for type_ in declared(connection, tenant_id)}}
    return [merged[name] for name in sorted(merged)]


def _type_of(row: Row[Any]) -> EventType:
    return EventType(name=row.name, **row.declaration)
