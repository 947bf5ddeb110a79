"""Tenants, API keys, users, addresses and subscriptions."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, select, update

from models.db import insert_new, upsert
from models.tables import addresses, api_keys, rooms, subscriptions, tenants, users
from models.tables.people import MAILBOX


@dataclass(frozen=True, slots=True)
class Person:
    """A user as a caller names them. `email` None leaves the mailbox as it is; "" removes it."""

    id: str
    email: str | None = None
    locale: str | None = None


def create_tenant(connection: Connection, tenant_id: str, name: str, now: datetime) -> bool:
    """Create the tenant and its room. False where it exists already."""
    created = connection.execute(
        insert_new(connection, tenants).values(id=tenant_id, name=name, created_at=now).returning(tenants.c.id)
    ).first()
    connection.execute(insert_new(connection, rooms).values(tenant_id=tenant_id, kind="tenant", key=tenant_id))
    return created is not None


def tenant_exists(connection: Connection, tenant_id: str) -> bool:
    """Whether there is such a tenant."""
    return connection.execute(select(tenants.c.id).where(tenants.c.id == tenant_id)).first() is not None


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


def list_api_keys(connection: Connection, tenant_id: str) -> Sequence[Any]:
    """The tenant's keys, newest first, without what would let anyone use them."""
    columns = (api_keys.c.prefix, api_keys.c.mode, api_keys.c.name, api_keys.c.created_at, api_keys.c.revoked_at)
    return connection.execute(
        select(*columns).where(api_keys.c.tenant_id == tenant_id).order_by(api_keys.c.created_at.desc())
    ).all()


def revoke_api_key(connection: Connection, tenant_id: str, prefix: str, now: datetime) -> bool:
    """Make the key useless from now on. False where the tenant has no such key."""
    changed = connection.execute(
        update(api_keys)
        .where(api_keys.c.tenant_id == tenant_id, api_keys.c.prefix == prefix)
        .values(revoked_at=func.coalesce(api_keys.c.revoked_at, now))
    )
    return bool(changed.rowcount)


def _sha256(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def upsert_users(connection: Connection, tenant_id: str, people: Iterable[Person], now: datetime) -> list[int]:
    """Create or update the users, with their rooms and mailboxes. Returns their row ids, in ascending order."""
    # Sorted: two callers that name the same users lock them in the same order and cannot deadlock.
    named = sorted({person.id: person for person in people}.values(), key=lambda person: person.id)
    if not named:
        return []
    fresh = {"tenant_id": tenant_id, "created_at": now, "updated_at": now}
    connection.execute(insert_new(connection, users), [{**fresh, "external_id": p.id} for p in named])
    with_locale = [p for p in named if p.locale is not None]
    if with_locale:
        connection.execute(
            upsert(connection, users, ["tenant_id", "external_id"], ["locale", "updated_at"]),
            [{**fresh, "external_id": p.id, "locale": p.locale} for p in with_locale],
        )
    found = connection.execute(
        select(users.c.id, users.c.external_id).where(
            users.c.tenant_id == tenant_id, users.c.external_id.in_([p.id for p in named])
        )
    ).all()
    row_ids = {row.external_id: row.id for row in found}
    connection.execute(
        insert_new(connection, rooms),
        [{"tenant_id": tenant_id, "kind": "user", "key": p.id, "user_id": row_ids[p.id]} for p in named],
    )
    set_mailboxes(connection, tenant_id, {row_ids[p.id]: p.email for p in named if p.email is not None}, now)
    return sorted(row_ids.values())


def set_mailboxes(connection: Connection, tenant_id: str, emails: dict[int, str], now: datetime) -> None:
    """Make each e-mail address the one mailbox of its user (by row id); "" leaves the user without.

    A changed mailbox is changed in place, so that what is still pending goes to the new one.
    """
    removed = [user_id for user_id, email in emails.items() if not email]
    if removed:
        connection.execute(delete(addresses).where(addresses.c.channel == "email", addresses.c.user_id.in_(removed)))
    kept = [(user_id, email) for user_id, email in emails.items() if email]
    if kept:
        connection.execute(
            upsert(
                connection,
                addresses,
                ["user_id"],
                ["value", "last_seen_at", "disabled_at", "disabled_reason"],
                where=MAILBOX,
            ),
            [
                {
                    "tenant_id": tenant_id,
                    "user_id": user_id,
                    "channel": "email",
                    "kind": "",
                    "value": email,
                    "created_at": now,
                    "last_seen_at": now,
                    "disabled_at": None,
                    "disabled_reason": None,
                }
                for user_id, email in kept
            ],
        )


def add_device(
    connection: Connection, tenant_id: str, user_id: int, kind: str, value: str, platform: str | None, now: datetime
) -> int:
    """Give the user a device for push, taking it from whoever had it before. Returns its address id."""
    connection.execute(
        delete(addresses).where(
            addresses.c.tenant_id == tenant_id,
            addresses.c.channel == "push",
            addresses.c.value == value,
            addresses.c.user_id != user_id,
        )
    )
    connection.execute(
        upsert(
            connection,
            addresses,
            ["user_id", "channel", "value"],
            ["kind", "platform", "last_seen_at", "disabled_at", "disabled_reason"],
        ).values(
            tenant_id=tenant_id,
            user_id=user_id,
            channel="push",
            kind=kind,
            value=value,
            platform=platform,
            created_at=now,
            last_seen_at=now,
            disabled_at=None,
            disabled_reason=None,
        )
    )
    this = (addresses.c.user_id == user_id, addresses.c.channel == "push", addresses.c.value == value)
    return int(connection.execute(select(addresses.c.id).where(*this)).scalar_one())


def find_user(connection: Connection, tenant_id: str, external_id: str) -> Any | None:
    """The user's row (id, external_id, locale, created_at, updated_at, email), or None."""
    mailbox = (addresses.c.user_id == users.c.id) & (addresses.c.channel == "email")
    return connection.execute(
        select(users, addresses.c.value.label("email"))
        .outerjoin(addresses, mailbox)
        .where(users.c.tenant_id == tenant_id, users.c.external_id == external_id)
    ).one_or_none()


def subscribe(connection: Connection, tenant_id: str, topic: str, user_ids: Sequence[int], now: datetime) -> None:
    """Put the users on the topic's list; those who are there stay."""
    if user_ids:
        connection.execute(
            insert_new(connection, subscriptions),
            [{"tenant_id": tenant_id, "topic": topic, "user_id": u, "created_at": now} for u in user_ids],
        )


def unsubscribe(connection: Connection, tenant_id: str, topic: str, external_ids: Sequence[str]) -> int:
    """Take the users off the topic's list. Returns how many were on it."""
    members = select(users.c.id).where(users.c.tenant_id == tenant_id, users.c.external_id.in_(external_ids))
    return connection.execute(
        delete(subscriptions).where(
            subscriptions.c.tenant_id == tenant_id,
            subscriptions.c.topic == topic,
            subscriptions.c.user_id.in_(members),
        )
    ).rowcount
