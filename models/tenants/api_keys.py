"""API keys: made, checked, listed, revoked. Only their hashes are stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import Connection, func, select, update

from models.tenants.tables import api_keys


def create_api_key(
    connection: Connection, tenant_id: str, mode: Literal["live", "test"], name: str, now: datetime
) -> str:
    """Make a key and return it: the only time it can be read. What is stored is its SHA-256.

    A plain hash is enough, because 32 random bytes cannot be guessed; a slow one would only slow every request.
    """
    prefix = f"ck_{mode}_{secrets.token_hex(4)}"
    key = f"{prefix}_{secrets.token_urlsafe(32)}"
    connection.execute(
        api_keys.insert().values(
            prefix=prefix, tenant_id=tenant_id, sha256=_sha256(key), mode=mode, name=name, created_at=now
        )
    )
    return key


def find_api_key(connection: Connection, key: str) -> tuple[str, str, str] | None:
    """(tenant, mode, prefix) of a key that is valid now, or None."""
    if not (key.isascii() and key.isprintable()):
        return None
    prefix = "_".join(key.split("_", 3)[:3])
    row = connection.execute(select(api_keys).where(api_keys.c.prefix == prefix)).one_or_none()
    if row is None or row.revoked_at is not None or not hmac.compare_digest(row.sha256, _sha256(key)):
        return None
    return row.tenant_id, row.mode, row.prefix


class ApiKey(NamedTuple):
    """What is stored of an API key, without what would let anyone use it."""

    prefix: str
    mode: Literal["live", "test"]
    name: str
    created_at: datetime
    revoked_at: datetime | None


def list_api_keys(connection: Connection, tenant_id: str) -> list[ApiKey]:
    """The tenant's keys, newest first."""
    found = connection.execute(
        select(*(api_keys.c[name] for name in ApiKey._fields))
        .where(api_keys.c.tenant_id == tenant_id)
        .order_by(api_keys.c.created_at.desc())
    )
    return [ApiKey._make(row) for row in found]


def revoke_api_key(connection: Connection, tenant_id: str, prefix: str, now: datetime) -> bool:
    """Make the key useless from now on. False if the tenant has no such key."""
    changed = connection.execute(
        update(api_keys)
        .where(api_keys.c.tenant_id == tenant_id, api_keys.c.prefix == prefix)
        .values(revoked_at=func.coalesce(api_keys.c.revoked_at, now))
    )
    return bool(changed.rowcount)


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
