"""Find users by id or mailbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, or_, select

from models.addresses.tables import addresses
from models.channels import EMAIL, PUSH
from models.users.tables import users

# Users that one look reads, however few of them are what is searched for.
SCAN = 20_000


class FoundUser(NamedTuple):
    """A user, with the mailbox, since when it is disabled, and the number of devices."""

    id: int
    external_id: str
    created_at: datetime
    email: str | None
    email_disabled_at: datetime | None
    devices: int


@dataclass(frozen=True, slots=True)
class FoundUsers:
    """Users, newest first. `next`: go on below this row id."""

    rows: Sequence[FoundUser]
    next: int | None


def find_users(
    connection: Connection, tenant_id: str, text: str | None, *, before: int | None = None, limit: int = 100
) -> FoundUsers:
    """The tenant's users, newest first: all of them, or those with `text` in their id, or with that mailbox.

    Of a search that finds little, at most SCAN rows are read: it may return fewer than `limit`, or none, and a `next`.
    """
    mine: list[ColumnElement[bool]] = [users.c.tenant_id == tenant_id]
    if before is not None:
        mine.append(users.c.id < before)
    most = limit + 1 if text is None else SCAN
    window = select(users.c.id).where(*mine).order_by(users.c.id.desc()).limit(most).subquery("window")
    theirs = addresses.c.user_id == users.c.id
    columns = (
        users.c.id,
        users.c.external_id,
        users.c.created_at,
        _of(theirs, addresses.c.channel == EMAIL, func.min(addresses.c.value)).label("email"),
        _of(theirs, addresses.c.channel == EMAIL, func.min(addresses.c.disabled_at)).label("email_disabled_at"),
        _of(theirs, addresses.c.channel == PUSH, func.count()).label("devices"),
    )
    query = select(*columns).join(window, window.c.id == users.c.id)
    if text is not None:
        mailbox = select(addresses.c.user_id).where(
            addresses.c.tenant_id == tenant_id, addresses.c.channel == EMAIL, addresses.c.value == text
        )
        query = query.where(or_(users.c.external_id.icontains(text, autoescape=True), users.c.id.in_(mailbox)))
    rows = [FoundUser._make(row) for row in connection.execute(query.order_by(users.c.id.desc()).limit(limit + 1))]
    if len(rows) > limit:
        return FoundUsers(rows[:limit], rows[limit - 1].id)
    # The last one of a window that is full: behind it there may be more.
    edge = select(window.c.id).order_by(window.c.id.desc()).offset(SCAN - 1).limit(1)
    return FoundUsers(rows, connection.execute(edge).scalar())


def _of(theirs: ColumnElement[bool], channel: ColumnElement[bool], what: ColumnElement[Any]) -> ColumnElement[Any]:
    return select(what).where(theirs, channel).correlate(users).scalar_subquery()
