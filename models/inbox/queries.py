"""What people keep of what was sent to them: look at it, and count it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, String, Uuid, func, select

from carillon.own_ids import own_id
from carillon.payload import is_storable
from models.deliveries.tables import deliveries
from models.ids import as_uuid
from models.inbox.tables import inbox
from models.notifications.content import Content, content_of
from models.notifications.state import WITHDRAWN
from models.notifications.tables import notifications
from models.sql.statements import values_table
from models.users.tables import users

Status = Literal["all", "unread", "read", "archived"]

_UNREAD = inbox.c.read_at.is_(None)
_UNSEEN = inbox.c.seen_at.is_(None)
# Said as the partial index ix_inbox_shown says it.
_SHOWN = (inbox.c.archived_at.is_(None), inbox.c.deleted_at.is_(None))


@dataclass(frozen=True, slots=True)
class Counts:
    """How much an inbox shows: `total` is neither archived, deleted nor expired, and `unseen` is part of `unread`."""

    unread: int = 0
    unseen: int = 0
    total: int = 0

    def data(self) -> dict[str, int]:
        """Return the counts as clients receive them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which items are meant. `all` are those that the inbox shows; those archived are asked for by name.

    `up_to` is the newest that is meant, itself included.
    """

    status: Status = "all"
    category: str | None = None
    type: str | None = None
    level: str | None = None
    up_to: UUID | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As a WHERE clause over inbox joined with notifications."""
        archived = inbox.c.archived_at.is_not(None) if self.status == "archived" else inbox.c.archived_at.is_(None)
        where: list[ColumnElement[bool]] = [archived]
        if self.status in ("unread", "read"):
            where.append(_UNREAD if self.status == "unread" else ~_UNREAD)
        if self.category is not None:
            where.append(inbox.c.category == self.category)
        if self.type is not None:
            where.append(notifications.c.type == self.type)
        if self.level is not None:
            where.append(notifications.c.level == self.level)
        if self.up_to is not None:
            where.append(inbox.c.notification_id <= self.up_to)
        return where


@dataclass(frozen=True, slots=True)
class Item:
    """A notification in a user's inbox. `seq` is the number of its event in the user's room."""

    content: Content
    seq: int
    seen_at: datetime | None
    read_at: datetime | None
    archived_at: datetime | None


def _item(row: Row[Any]) -> Item:
    return Item(content_of(row), row.seq, row.seen_at, row.read_at, row.archived_at)


def _items(tenant_id: str, user: str, now: datetime) -> Select[Any]:
    me = select(users.c.id).where(users.c.tenant_id == tenant_id, users.c.external_id == user).scalar_subquery()
    return (
        select(notifications, inbox.c.seq, inbox.c.seen_at, inbox.c.read_at, inbox.c.archived_at)
        .join(notifications, notifications.c.id == inbox.c.notification_id)
        .where(
            inbox.c.user_id == me,
            inbox.c.deleted_at.is_(None),
            inbox.c.expires_at > now,
            # A recall takes time to reach all recipients; the content is withheld at once.
            notifications.c.state.not_in([state.value for state in WITHDRAWN]),
        )
    )


def list_items(
    connection: Connection,
    tenant_id: str,
    user: str,
    which: Filter,
    now: datetime,
    *,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Item]:
    """The user's items, newest first, below the id `before`."""
    query = _items(tenant_id, user, now).where(*which.conditions())
    if before is not None:
        query = query.where(inbox.c.notification_id < before)
    # The ids are UUIDv7: their order is that of acceptance.
    found = connection.execute(query.order_by(inbox.c.notification_id.desc()).limit(limit))
    return [_item(row) for row in found]


def find_item(connection: Connection, tenant_id: str, user: str, notification_id: UUID, now: datetime) -> Item | None:
    """Return the user's item, archived or not. None if it is deleted, expired, or another user's."""
    query = _items(tenant_id, user, now).where(inbox.c.notification_id == notification_id)
    row = connection.execute(query).one_or_none()
    return _item(row) if row is not None else None


def find_received(
    connection: Connection, tenant_id: str, user: str, notification_id: UUID, now: datetime
) -> Content | None:
    """Return what was sent to the user on any channel, in their inbox or not. None if it is expired or another's."""
    received = (
        select(deliveries.c.id)
        .join(users, users.c.id == deliveries.c.user_id)
        .where(
            users.c.tenant_id == tenant_id,
            users.c.external_id == user,
            deliveries.c.notification_id == notifications.c.id,
        )
    )
    row = connection.execute(
        select(notifications).where(
            notifications.c.id == notification_id,
            notifications.c.tenant_id == tenant_id,
            # What a test key sends goes to the lab only.
            notifications.c.mode == "live",
            notifications.c.expires_at > now,
            notifications.c.state.not_in([state.value for state in WITHDRAWN]),
            received.exists(),
        )
    ).one_or_none()
    return content_of(row) if row is not None else None


def were_theirs(connection: Connection, tenant_id: str, user: str, ids: Sequence[UUID]) -> bool:
    """Whether any of these notifications was ever in the user's inbox, deleted or not."""
    named = values_table(connection, "named", {"id": Uuid()}, [(n.hex,) for n in ids])
    mine = (users.c.tenant_id == tenant_id, users.c.external_id == user)
    return bool(
        connection.execute(
            select(inbox.c.seq)
            .join(users, users.c.id == inbox.c.user_id)
            .where(*mine, inbox.c.notification_id.in_(select(named.c.id)))
            .limit(1)
        ).first()
    )


def items_named(connection: Connection, tenant_id: str, user: str, names: Sequence[str]) -> list[UUID]:
    """The notifications that these names mean: Carillon's ids, and those of the user's that have the service's own ids.

    Whether the former are the user's is not looked up.
    """
    found = connection.execute(
        select(notifications.c.id, notifications.c.reference, notifications.c.data)
        .join(inbox, inbox.c.notification_id == notifications.c.id)
        .join(users, users.c.id == inbox.c.user_id)
        .where(
            notifications.c.tenant_id == tenant_id,
            notifications.c.reference.in_(filter(is_storable, names)),
            users.c.tenant_id == tenant_id,
            users.c.external_id == user,
        )
        .order_by(notifications.c.id.desc())
    )
    theirs = [row.id for row in found if own_id(row.data, "notification_id", row.reference) is not None]
    return list(dict.fromkeys([*filter(None, map(as_uuid, names)), *theirs]))


def own_ids(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, str | int]:
    """The service's own ids of those of these notifications that have one."""
    named = values_table(connection, "named", {"id": Uuid()}, [(n.hex,) for n in ids])
    found = connection.execute(
        select(notifications.c.id, notifications.c.reference, notifications.c.data).where(
            notifications.c.id.in_(select(named.c.id)), notifications.c.reference.is_not(None)
        )
    )
    own = {row.id: own_id(row.data, "notification_id", row.reference) for row in found}
    return {n: name for n, name in own.items() if name is not None}


def newest(connection: Connection, tenant_id: str, user: str) -> UUID | None:
    """The newest notification of the user's inbox, in any state; None if it is empty."""
    mine = (users.c.tenant_id == tenant_id, users.c.external_id == user)
    found: UUID | None = connection.execute(
        select(inbox.c.notification_id)
        .join(users, users.c.id == inbox.c.user_id)
        .where(*mine)
        .order_by(inbox.c.notification_id.desc())
        .limit(1)
    ).scalar_one_or_none()
    return found


_COUNTS = (
    func.count().filter(_UNREAD).label("unread"),
    func.count().filter(_UNREAD, _UNSEEN).label("unseen"),
    func.count().label("total"),
)


def count(connection: Connection, user_id: int, now: datetime) -> Counts:
    """The counts of one user (row id)."""
    row = connection.execute(
        select(*_COUNTS).where(inbox.c.user_id == user_id, *_SHOWN, inbox.c.expires_at > now)
    ).one()
    return Counts(row.unread, row.unseen, row.total)


def counts_for(connection: Connection, tenant_id: str, names: Sequence[str], now: datetime) -> dict[str, Counts]:
    """The counts of each of these users, in one statement; zero for unknown users."""
    named = values_table(connection, "named", {"id": String()}, [(name,) for name in names])
    # Counted user by user and not joined and grouped: until PostgreSQL has new statistics of a grown inbox, it would
    # read the whole table.
    mine = (inbox.c.user_id == users.c.id, *_SHOWN, inbox.c.expires_at > now)
    numbers = [select(number).where(*mine).scalar_subquery().label(number.name) for number in _COUNTS]
    found = connection.execute(
        select(users.c.external_id, *numbers).where(
            users.c.tenant_id == tenant_id, users.c.external_id.in_(select(named.c.id))
        )
    )
    return dict.fromkeys(names, Counts()) | {
        row.external_id: Counts(row.unread, row.unseen, row.total) for row in found
    }
