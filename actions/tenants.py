"""Create tenants and their API keys, and change a tenant's settings."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from actions.audit import record
from actions.installation import Installation
from actions.principal import Mode, Principal
from actions.problems import invalid, not_found
from models.sql.engine import write
from models.tenants import api_keys, queries, quotas
from models.tenants.api_keys import ApiKey
from models.tenants.queries import Tenant
from models.tenants.quotas import Quota
from models.timestamps import iso


class NewKey(NamedTuple):
    """A new API key. `key` can be read here and never again."""

    key: str
    stored: ApiKey


def create_tenant(installation: Installation, caller: Principal, tenant: str, name: str) -> tuple[Tenant, bool]:
    """Create a tenant, whose clients speak the canonical dialect. Returns it, and whether it is new."""
    with write(installation.engine) as connection:
        created = queries.create_tenant(connection, tenant, name, installation.now(), queries.DIALECT)
        [found] = queries.list_tenants(connection, tenant)
        if created:
            record(connection, installation, caller, "tenant.create", tenant, tenant=tenant, name=name)
    return found, created


def choose_dialect(installation: Installation, caller: Principal, tenant: str, dialect: str) -> None:
    """Set the dialect of clients that name none, from their next connection on. Raises Problem (404)."""
    with write(installation.engine) as connection:
        if not queries.tenant_exists(connection, tenant):
            raise not_found("tenant")
        queries.choose_dialect(connection, tenant, dialect)
        record(connection, installation, caller, "tenant.set_dialect", tenant, tenant=tenant, dialect=dialect)


def set_weight(installation: Installation, caller: Principal, tenant: str, weight: int) -> None:
    """Set the tenant's share of a batch, from the next batch on. Raises Problem (404)."""
    with write(installation.engine) as connection:
        if not queries.tenant_exists(connection, tenant):
            raise not_found("tenant")
        queries.set_weight(connection, tenant, weight)
        record(connection, installation, caller, "tenant.set_weight", tenant, tenant=tenant, weight=weight)


def set_quota(installation: Installation, caller: Principal, tenant: str, quota: Quota, number: int) -> None:
    """Set one of the tenant's quotas. Other processes learn of it within seconds. Raises Problem (404)."""
    with write(installation.engine) as connection:
        if not queries.tenant_exists(connection, tenant):
            raise not_found("tenant")
        quotas.set_quota(connection, tenant, quota, number)
        record(connection, installation, caller, "tenant.set_quota", tenant, tenant=tenant, quota=quota, number=number)


def create_key(
    installation: Installation,
    caller: Principal,
    tenant: str,
    mode: Mode,
    name: str,
    expires_at: datetime | None = None,
) -> NewKey:
    """Make an API key, which is refused from `expires_at` on. Raises Problem (404, 422 if that is in the past)."""
    now = installation.now()
    if expires_at is not None and expires_at <= now:
        raise invalid("expires_at", "past", "must be in the future")
    with write(installation.engine) as connection:
        if not queries.tenant_exists(connection, tenant):
            raise not_found("tenant")
        key = api_keys.create_api_key(connection, tenant, mode, name, now, caller.name, expires_at)
        stored = next(one for one in api_keys.list_api_keys(connection, tenant) if key.startswith(one.prefix))
        until = iso(expires_at) if expires_at is not None else None
        details = {"name": name, "mode": mode, "expires_at": until}
        record(connection, installation, caller, "key.create", stored.prefix, tenant=tenant, **details)
    return NewKey(key, stored)


def revoke_key(installation: Installation, caller: Principal, tenant: str, prefix: str) -> ApiKey:
    """Make a key useless from now on. Raises Problem (404)."""
    # PostgreSQL refuses some texts; none of them is the prefix of a key.
    if not (prefix.isascii() and prefix.isprintable()):
        raise not_found("key")
    with write(installation.engine) as connection:
        if not api_keys.revoke_api_key(connection, tenant, prefix, installation.now()):
            raise not_found("key")
        record(connection, installation, caller, "key.revoke", prefix, tenant=tenant)
        return next(one for one in api_keys.list_api_keys(connection, tenant) if one.prefix == prefix)
