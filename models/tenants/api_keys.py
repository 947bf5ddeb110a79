"""API keys: made, checked, listed, revoked. Only their hashes are stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import Connection, func, or_, select, update

from models.tenants.tables import api_keys

# The last use of a key is written at most this often: it says whether a key is still in use, not how much.
USE_INTERVAL = timedelta(minutes=1)


def create_api_key(
    connection: Connection,
    tenant_id: str,
    mode: Literal["live", "test"],
    name: str,
    now: datetime,
    created_by: str,
    expires_at: datetime | None = None,
) -> str:
    """Make a key and return it: the only time it can be read. What is stored is its SHA-256.

    A plain hash is enough, because 32 random bytes cannot be guessed; a slow one would only slow every request.
    """
    prefix = f"ck_{mode}_{secrets.token_hex(4)}"
    key = f"{prefix}_{secrets.token_urlsafe(32)}"
    connection.execute(
        api_keys.insert().values(
            prefix=prefix,
            tenant_id=tenant_id,
            sha256=_sha256(key),
            mode=mode,
            name=name,
            created_at=now,
            created_by=created_by,
            expires_at=expires_at,
        )
    )
    return key


class FoundKey(NamedTuple):
    """A key that is not revoked. It can have expired, and it can be `last_used_at` a minute ago or more."""

    tenant_id: str
    mode: str
    prefix: str
    expires_at: datetime | None
    last_used_at: datetime | None


def find_api_key(connection: Connection, key: str) -> FoundKey | None:
    """The key, or None if it is unknown or revoked."""
    if not (key.isascii() and key.isprintable()):
        return None
    prefix = "_".join(key.split("_", 3)[:3])
    row = connection.execute(select(api_keys).where(api_keys.c.prefix == prefix)).one_or_none()
    if row is None or row.revoked_at is not None or not hmac.compare_digest(row.sha256, _sha256(key)):
        return None
    return FoundKey(row.tenant_id, row.mode, row.prefix, row.expires_at, row.last_used_at)


def note_use(connection: Connection, prefix: str, now: datetime) -> None:
    """Record that the key was used, unless that was recorded within the last minute."""
    connection.execute(
        update(api_keys)
        .where(
            api_keys.c.prefix == prefix,
            or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at <= now - USE_INTERVAL),
        )
        .values(last_used_at=now)
    )


class ApiKey(NamedTuple):
    """What is stored of an API key, without what would let anyone use it."""

    prefix: str
    mode: Literal["live", "test"]
    name: str
    created_at: datetime
    created_by: str | None
    last_used_at: datetime | None
    expires_at: datetime | None
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
