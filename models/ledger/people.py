"""Tenants, API keys, users, mailboxes and subscriptions."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, String, and_, bindparam, delete, func, literal, select, update

from models.db import among, insert_new, rows, upsert
from models.tables import addresses, api_keys, open_topics, rooms, subscriptions, tenants, users
from models.tables.base import BigId, Instant
from models.tables.people import MAILBOX

# A batch has 50 (mail) to 1,000 places, and everyone who waits gets one: larger weights would change little.
HEAVIEST = 100


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
    by_id = {person.id: person for person in named}
    new = rows(connection, "new", {"external_id": String()}, [(name,) for name in by_id])
    stamps = {
        "tenant_id": literal(tenant_id),
        "created_at": literal(now, Instant()),
        "updated_at": literal(now, Instant()),
    }
    fresh = select(new.c.external_id, *stamps.values()).where(new.c.external_id != "").order_by(new.c.external_id)
    connection.execute(insert_new(connection, users).from_select(["external_id", *stamps], fresh))
    these = and_(users.c.tenant_id == tenant_id, users.c.external_id.in_(select(new.c.external_id)))
    found = connection.execute(select(users.c.id, users.c.external_id, users.c.locale).where(these)).all()
    locales = [
        {"row_id": row.id, "new_locale": by_id[row.external_id].locale}
        for row in found
        if by_id[row.external_id].locale not in (None, row.locale)
    ]
    if locales:
        change = update(users).where(users.c.id == bindparam("row_id"))
        connection.execute(change.values(locale=bindparam("new_locale"), updated_at=now), locales)
    user_ids = sorted(row.id for row in found)
    room = select(users.c.tenant_id, literal("user"), users.c.external_id, users.c.id)
    connection.execute(
        insert_new(connection, rooms).from_select(
            ["tenant_id", "kind", "key", "user_id"], room.where(among(connection, users.c.id, user_ids))
        )
    )
    emails = {row.id: by_id[row.external_id].email for row in found}
    set_mailboxes(connection, tenant_id, {i: email for i, email in emails.items() if email is not None}, now)
    return user_ids


def set_mailboxes(connection: Connection, tenant_id: str, emails: dict[int, str], now: datetime) -> None:
    """Make each e-mail address the one mailbox of its user (by row id); "" leaves the user without.

    A changed mailbox is changed in place, so that what is still pending goes to the new one.
    """
    removed = [user_id for user_id, email in emails.items() if not email]
    if removed:
        mine = among(connection, addresses.c.user_id, removed)
        connection.execute(delete(addresses).where(addresses.c.channel == "email", mine))
    kept = [(user_id, email) for user_id, email in sorted(emails.items()) if email]
    if not kept:
        return
    new = rows(connection, "new", {"user_id": BigId, "value": String()}, kept)
    fixed = {
        "tenant_id": literal(tenant_id),
        "channel": literal("email"),
        "kind": literal(""),
        "created_at": literal(now, Instant()),
        "last_seen_at": literal(now, Instant()),
    }
    connection.execute(
        upsert(
            connection, addresses, ["user_id"], ["value", "last_seen_at", "disabled_at", "disabled_reason"], MAILBOX
        ).from_select(
            ["user_id", "value", *fixed], select(new.c.user_id, new.c.value, *fixed.values()).where(new.c.value != "")
        )
    )


def find_user(connection: Connection, tenant_id: str, external_id: str) -> Any | None:
    """The user's row (id, external_id, locale, created_at, updated_at, email), or None."""
    mailbox = (addresses.c.user_id == users.c.id) & (addresses.c.channel == "email")
    return connection.execute(
        select(users, addresses.c.value.label("email"))
        .outerjoin(addresses, mailbox)
        .where(users.c.tenant_id == tenant_id, users.c.external_id == external_id)
    ).one_or_none()


def delete_user(connection: Connection, tenant_id: str, external_id: str) -> bool:
    """Delete the user with their room, addresses, subscriptions and deliveries. False where there is none."""
    return bool(
        connection.execute(
            delete(users).where(users.c.tenant_id == tenant_id, users.c.external_id == external_id)
        ).rowcount
    )


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


def open_topic(connection: Connection, tenant_id: str, topic: str, now: datetime) -> None:
    """From now on users may put themselves on the topic's list, and take themselves off it."""
    connection.execute(insert_new(connection, open_topics).values(tenant_id=tenant_id, topic=topic, created_at=now))


def close_topic(connection: Connection, tenant_id: str, topic: str) -> None:
    """From now on the topic's list is its services' alone. Whoever is on it stays."""
    this = (open_topics.c.tenant_id == tenant_id, open_topics.c.topic == topic)
    connection.execute(delete(open_topics).where(*this))


def topic_is_open(connection: Connection, tenant_id: str, topic: str) -> bool:
    """Whether users may put themselves on the topic's list."""
    this = (open_topics.c.tenant_id == tenant_id, open_topics.c.topic == topic)
    return connection.execute(select(open_topics.c.topic).where(*this)).first() is not None


def list_subscriptions(
    connection: Connection, tenant_id: str, external_id: str, *, after: str = "", limit: int = 100
) -> Sequence[str]:
    """The topics after `after` on whose lists the user is, in the order of their names."""
    return (
        connection.execute(
            select(subscriptions.c.topic)
            .join(users, users.c.id == subscriptions.c.user_id)
            .where(users.c.tenant_id == tenant_id, users.c.external_id == external_id, subscriptions.c.topic > after)
            .order_by(subscriptions.c.topic)
            .limit(limit)
        )
        .scalars()
        .all()
    )
