"""Many small notifications in one transaction: what a service sends to one user or a few (docs/adr/0038).

`find_small` finds them, `write_small` writes them. Larger audiences, recalls and test keys are for models/deliveries/
expand.py, one notification at a time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, FromClause, Uuid, and_, func, insert, literal, select, update
from sqlalchemy.types import TypeEngine

from models.channels import IN_APP
from models.deliveries.expand import PageConflict, Written, try_lock_pages
from models.deliveries.message import Batch
from models.deliveries.tables import deliveries
from models.deliveries.write_deliveries import (
    Columns,
    names_of,
    new_deliveries,
    new_rows,
    pending,
    sent,
    shown,
    to_room,
    write_to_addresses,
)
from models.events.tables import events
from models.events.vocabulary import NOTIFICATION_NEW
from models.inbox.tables import inbox
from models.notifications.content import content_of
from models.notifications.queries import COLUMNS, Notification
from models.notifications.state import NotificationState
from models.notifications.tables import notifications
from models.rooms.tables import rooms
from models.sql.statements import execute_as_one, in_ids, values_table
from models.sql.types import BigId
from models.users.queries import Person, merge, upsert_users

# Notifications in one transaction, and users of each. Together they are no more than one page of a large audience.
MOST = 100
LARGEST = 10


class Due(NamedTuple):
    """What there is to do for some notifications: batches of small ones, and others that go one by one."""

    batches: list[list[UUID]]
    others: list[UUID]


@dataclass(frozen=True, slots=True)
class WrittenSmall:
    """What was written: the notifications with the number of their recipients, and what follows from them."""

    recipients: list[tuple[Notification, int]]
    written: Written


def find_small(connection: Connection, ids: Sequence[UUID], now: datetime, apart: Collection[UUID] = ()) -> Due:
    """Find what is left to do of these notifications, and small ones of the same tenants and lanes that wait as well.

    Each batch is of one tenant and one choice of channels. Those in `apart` go one by one.
    """
    this = (notifications.c.id, notifications.c.tenant_id, notifications.c.lane, _is_small(connection, now))
    asked = connection.execute(
        select(*this).where(notifications.c.id.in_(ids), notifications.c.due_at.is_not(None))
    ).all()
    others = [one.id for one in asked if not one.is_small or one.id in apart]
    batches: defaultdict[Any, list[UUID]] = defaultdict(list)
    # At least as many as were asked for: then there is a bell for each that is left.
    limit = max(MOST, len(asked))
    for lane, tenant_id in sorted({(one.lane, one.tenant_id) for one in asked if one.id not in others}):
        waiting = (
            select(notifications.c.id, notifications.c.channels)
            .where(
                # Not by the index of the tenant's notifications, which has all that it ever sent.
                notifications.c.tenant_id.concat("") == tenant_id,
                notifications.c.lane == lane,
                notifications.c.due_at.is_not(None),
                _is_small(connection, now),
            )
            .order_by(notifications.c.due_at, notifications.c.id)
            .limit(limit)
        )
        for one in connection.execute(waiting):
            if one.id not in apart:
                batches[lane, tenant_id, one.channels and tuple(one.channels)].append(one.id)
    return Due([batch[at : at + MOST] for batch in batches.values() for at in range(0, len(batch), MOST)], others)


def _is_small(connection: Connection, now: datetime) -> ColumnElement[bool]:
    if connection.dialect.name == "postgresql":
        users: ColumnElement[int] = func.jsonb_array_length(notifications.c.audience["users"])
    else:
        users = func.json_array_length(notifications.c.audience, "$.users")
    return and_(
        notifications.c.state == NotificationState.ACCEPTED.value,
        notifications.c.mode == "live",
        notifications.c.cursor == 0,
        notifications.c.expires_at > now,
        # Not true of SQLite's 0 for an audience without users.
        users.between(1, LARGEST),
    ).label("is_small")


def write_small(connection: Connection, ids: Sequence[UUID], now: datetime) -> WrittenSmall:
    """Write those of a batch that no other transaction is at.

    Raises PageConflict if one of them is recalled meanwhile; the transaction has to be rolled back then.
    """
    free = try_lock_pages(connection, ids)
    found = select(*COLUMNS).where(notifications.c.id.in_(free), _is_small(connection, now))
    batch = [Notification._make(row) for row in connection.execute(found.order_by(notifications.c.id))]
    if not batch:
        return WrittenSmall([], Written(frozenset()))
    tenant_id, wanted = batch[0].tenant_id, batch[0].channels
    people = {one.id: merge(Person(**person) for person in one.audience["users"]) for one in batch}
    user_ids = upsert_users(connection, tenant_id, [p for named in people.values() for p in named], now)
    names = names_of(connection, user_ids)
    row_ids = {name: user_id for user_id, (name, _) in names.items()}
    # A user can have been deleted in this moment.
    to = {one.id: [row_ids[person.id] for person in people[one.id] if person.id in row_ids] for one in batch}
    pairs = _pairs(connection, to)
    common: dict[str, ColumnElement[Any]] = {
        "notification_id": notifications.c.id,
        **{name: notifications.c[name] for name in ("tenant_id", "lane", "expires_at")},
        **pending(now),
    }
    channels: set[str] = set()
    in_app = None
    if wanted is None or IN_APP in wanted:
        in_app = _write_in_app(connection, batch, names, pairs, user_ids, common, now)
    if wanted != [IN_APP]:

        def addressed(user_id: ColumnElement[int]) -> ColumnElement[bool]:
            return and_(user_id == pairs.c.user_id, notifications.c.id == pairs.c.notification_id)

        channels = write_to_addresses(connection, wanted, common, addressed, now)
    _finish(connection, {one.id: (len(people[one.id]), len(to[one.id])) for one in batch})
    return WrittenSmall([(one, len(to[one.id])) for one in batch], Written(frozenset(channels), in_app))


def _pairs(connection: Connection, to: dict[UUID, list[int]]) -> FromClause:
    """Each notification with each of its users: it is the `nth` of `number` that this user gets."""
    number = Counter(user_id for user_ids in to.values() for user_id in user_ids)
    so_far: Counter[int] = Counter()
    rows = []
    for notification_id, user_ids in to.items():
        for user_id in user_ids:
            so_far[user_id] += 1
            rows.append((notification_id.hex, user_id, so_far[user_id], number[user_id]))
    columns: dict[str, TypeEngine[Any]] = {"notification_id": Uuid(), "user_id": BigId, "nth": BigId, "number": BigId}
    return values_table(connection, "pairs", columns, rows)


def _write_in_app(
    connection: Connection,
    batch: Sequence[Notification],
    names: dict[int, tuple[str, str | None]],
    pairs: FromClause,
    user_ids: Sequence[int],
    common: Columns,
    now: datetime,
) -> Batch:
    numbered = _numbered(connection, pairs, user_ids)
    own = {name: numbered.c[name] for name in ("notification_id", "tenant_id", "lane", "expires_at")}
    event = {
        "room_id": numbered.c.room_id,
        "seq": numbered.c.seq,
        "type": literal(NOTIFICATION_NEW),
        "notification_id": numbered.c.notification_id,
        "created_at": literal(now, events.c.created_at.type),
        "expires_at": numbered.c.expires_at,
    }
    item = {name: numbered.c[name] for name in ("user_id", "notification_id", "seq", "category", "expires_at")}
    delivery = {**common, **own, **sent(now), **to_room(numbered.c.user_id, numbered.c.seq)}
    rows = execute_as_one(
        connection,
        insert(events).from_select(list(event), select(*event.values())),
        new_rows(connection, inbox, item),
        new_deliveries(connection, delivery).returning(
            deliveries.c.id, deliveries.c.notification_id, deliveries.c.user_id, deliveries.c.seq
        ),
    ).all()
    contents = {one.id: content_of(one) for one in batch}
    # In the order in which they were accepted, which is that of their numbers in each room.
    rows = sorted(rows, key=lambda row: (row.notification_id, row.user_id))
    return Batch([shown(r.id, contents[r.notification_id], names[r.user_id], r.seq, "live") for r in rows], now)


def _numbered(connection: Connection, pairs: FromClause, user_ids: Sequence[int]) -> FromClause:
    """The pairs with their rooms and numbers, and what is written of each notification. Raises the heads of the rooms.

    For one call of `execute_as_one`, as models.events.log.raise_heads.
    """
    theirs = in_ids(connection, rooms.c.user_id, user_ids)
    mine = (rooms.c.user_id == pairs.c.user_id, pairs.c.nth == 1)
    raise_by = update(rooms).values(head=rooms.c.head + pairs.c.number).where(*mine)
    columns = (rooms.c.id, rooms.c.user_id, rooms.c.head)
    raised: FromClause
    if connection.dialect.name == "postgresql":
        # In one order, as in raise_heads.
        locked = select(rooms.c.id).where(theirs).order_by(rooms.c.id).with_for_update(key_share=True).cte("locked")
        raised = raise_by.where(rooms.c.id == locked.c.id).returning(*columns).cte("raised")
    else:
        connection.execute(raise_by)
        raised = select(*columns).where(theirs).subquery("raised")
    of_notification = [notifications.c[name] for name in ("tenant_id", "lane", "category", "expires_at")]
    numbered = (
        select(
            raised.c.id.label("room_id"),
            raised.c.user_id,
            (raised.c.head - pairs.c.number + pairs.c.nth).label("seq"),
            pairs.c.notification_id,
            *of_notification,
        )
        .join(pairs, pairs.c.user_id == raised.c.user_id)
        .join(notifications, notifications.c.id == pairs.c.notification_id)
    )
    return numbered.cte("numbered") if connection.dialect.name == "postgresql" else numbered.subquery("numbered")


def _finish(connection: Connection, sizes: dict[UUID, tuple[int, int]]) -> None:
    """Note that the notifications are expanded: how long their audience is, and how many recipients it had."""
    rows = [(one.hex, end, recipients) for one, (end, recipients) in sizes.items()]
    done = values_table(connection, "done", {"id": Uuid(), "end": BigId, "recipients": BigId}, rows)
    moved = connection.execute(
        update(notifications)
        .where(
            notifications.c.id == done.c.id,
            notifications.c.cursor == 0,
            notifications.c.state == NotificationState.ACCEPTED.value,
        )
        .values(cursor=done.c.end, recipients=done.c.recipients, state=NotificationState.EXPANDED.value, due_at=None)
    )
    if moved.rowcount != len(sizes):
        raise PageConflict
