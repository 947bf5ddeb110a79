"""Users, with the room that each has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Row, String, and_, bindparam, delete, func, literal, or_, select, true, update

from models.addresses.mailboxes import set_mailboxes
from models.addresses.tables import addresses
from models.channels import EMAIL
from models.conversations.tables import members
from models.deliveries.tables import deliveries
from models.rooms.tables import rooms
from models.sql.locks import lock_rows
from models.sql.statements import in_ids, insert_ignore, values_table
from models.sql.types import Instant
from models.users.tables import users


@dataclass(frozen=True, slots=True)
class Person:
    """A user as a caller names them. `email` None leaves the mailbox as it is; "" removes it."""

    id: str
    email: str | None = None
    locale: str | None = None


def merge(people: Iterable[Person]) -> list[Person]:
    """Name each user once, in the order of their first entries, with the last value of each member that is given."""
    merged: dict[str, Person] = {}
    for person in people:
        given = {name: value for name, value in asdict(person).items() if value is not None}
        merged[person.id] = replace(merged.get(person.id, person), **given)
    return list(merged.values())


def upsert_users(connection: Connection, tenant_id: str, people: Iterable[Person], now: datetime) -> list[int]:
    """Create or update the users, with their rooms and mailboxes. Returns their row ids, in ascending order."""
    # Sorted: two callers that name the same users lock them in the same order and cannot deadlock.
    named = sorted(merge(people), key=lambda person: person.id)
    if not named:
        return []
    by_id = {person.id: person for person in named}
    new = values_table(connection, "new", {"external_id": String()}, [(name,) for name in by_id])
    stamps = {
        "tenant_id": literal(tenant_id),
        "created_at": literal(now, Instant()),
        "updated_at": literal(now, Instant()),
    }
    fresh = select(new.c.external_id, *stamps.values()).where(true()).order_by(new.c.external_id)
    insert = insert_ignore(connection, users).from_select(["external_id", *stamps], fresh)
    these = and_(users.c.tenant_id == tenant_id, users.c.external_id.in_(select(new.c.external_id)))
    held = select(users.c.id, users.c.external_id, users.c.locale).where(these).order_by(users.c.id)
    held = held.with_for_update(read=True, key_share=True)
    found: Sequence[Row[int, str, str | None]] = []
    # Again if one of them is deleted between the two statements.
    for _ in range(3):
        connection.execute(insert)
        found = connection.execute(held).all()
        if len(found) == len(named):
            break
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
        insert_ignore(connection, rooms).from_select(
            ["tenant_id", "kind", "key", "user_id"], room.where(in_ids(connection, users.c.id, user_ids))
        )
    )
    emails = {row.id: by_id[row.external_id].email for row in found}
    set_mailboxes(connection, tenant_id, {i: email for i, email in emails.items() if email is not None}, now)
    return user_ids


class User(NamedTuple):
    """A user as callers see it. `id` is the row, `external_id` the caller's id.

    `email_disabled_at` and `email_disabled_reason` say since when and why the mailbox is not used.
    """

    id: int
    external_id: str
    locale: str | None
    created_at: datetime
    updated_at: datetime
    email: str | None
    email_disabled_at: datetime | None
    email_disabled_reason: str | None


def count_users(connection: Connection, tenant_id: str, most: int) -> int:
    """How many users the tenant has, counted up to `most`."""
    some = select(users.c.id).where(users.c.tenant_id == tenant_id).limit(most).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def known_users(connection: Connection, tenant_id: str, external_ids: Sequence[str]) -> set[str]:
    """Those of the ids that are ids of users."""
    named = (users.c.tenant_id == tenant_id, users.c.external_id.in_(external_ids))
    return set(connection.execute(select(users.c.external_id).where(*named)).scalars())


def find_user(connection: Connection, tenant_id: str, external_id: str) -> User | None:
    """The tenant's user, or None."""
    mailbox = (addresses.c.user_id == users.c.id) & (addresses.c.channel == EMAIL)
    of_user = (users.c.id, users.c.external_id, users.c.locale, users.c.created_at, users.c.updated_at)
    row = connection.execute(
        select(*of_user, addresses.c.value, addresses.c.disabled_at, addresses.c.disabled_reason)
        .outerjoin(addresses, mailbox)
        .where(users.c.tenant_id == tenant_id, users.c.external_id == external_id)
    ).one_or_none()
    return User._make(row) if row is not None else None


def hold_users(connection: Connection, tenant_id: str, external_ids: Iterable[str]) -> dict[str, int]:
    """The row ids of those of these users that exist, who cannot be deleted until the commit."""
    named = values_table(connection, "named", {"id": String()}, [(name,) for name in set(external_ids)])
    these = (users.c.tenant_id == tenant_id, users.c.external_id.in_(select(named.c.id)))
    held = select(users.c.id, users.c.external_id).where(*these).order_by(users.c.id)
    held = held.with_for_update(read=True, key_share=True)
    return {row.external_id: row.id for row in connection.execute(held)}


def lock_to_delete(connection: Connection, tenant_id: str, external_id: str) -> int | None:
    """Lock the user with everything that is changed when they are deleted. Returns their row id, or None."""
    this = (users.c.tenant_id == tenant_id, users.c.external_id == external_id)
    lock_rows(connection, users, *this, to_delete=True)
    user_id = connection.execute(select(users.c.id).where(*this)).scalar_one_or_none()
    if user_id is None:
        return None
    theirs = select(members.c.room_id).where(members.c.user_id == user_id)
    # The database would delete them in an order of its own.
    lock_rows(connection, addresses, addresses.c.user_id == user_id, to_delete=True)
    lock_rows(connection, rooms, or_(rooms.c.user_id == user_id, rooms.c.id.in_(theirs)), to_delete=True)
    lock_rows(connection, deliveries, deliveries.c.user_id == user_id, to_delete=True)
    return int(user_id)


def delete_user(connection: Connection, user_id: int) -> None:
    """Delete the user of `lock_to_delete` with their room, addresses, subscriptions and deliveries.

    They have left their conversations by then.
    """
    connection.execute(delete(users).where(users.c.id == user_id))
