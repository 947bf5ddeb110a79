"""Dead letters: deliveries that ended in failure. A redrive makes them pending again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import ColumnElement, Connection, and_, case, exists, func, null, or_, select, update

from models.addresses.tables import addresses
from models.channels import IN_APP
from models.deliveries.lifecycle import Failure, State
from models.deliveries.message import Action
from models.deliveries.status import COLUMNS, Delivery
from models.deliveries.tables import deliveries, redrives
from models.inbox.tables import inbox
from models.notifications.state import WITHDRAWN
from models.notifications.tables import notifications
from models.sql.locks import lock_rows
from models.sql.statements import in_ids
from models.users.tables import users

# A summary is asked for every few seconds, so it stops counting here and says so.
MAX_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class DeadFilter:
    """Which dead letters are meant. `tenant_id` None means every tenant: for operators only."""

    tenant_id: str | None = None
    mode: str | None = None
    failure: Failure | None = None
    channel: str | None = None
    notification_id: UUID | None = None
    ids: Sequence[int] | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As a WHERE clause over deliveries joined with notifications."""
        where: list[ColumnElement[bool]] = [deliveries.c.state == State.DEAD.value]
        if self.tenant_id is not None:
            where.append(notifications.c.tenant_id == self.tenant_id)
        if self.mode is not None:
            where.append(notifications.c.mode == self.mode)
        if self.failure is not None:
            where.append(deliveries.c.failure == self.failure.value)
        if self.channel is not None:
            where.append(deliveries.c.channel == self.channel)
        if self.notification_id is not None:
            where.append(deliveries.c.notification_id == self.notification_id)
        if self.ids is not None:
            where.append(deliveries.c.id.in_(self.ids))
        return where


def list_dead(connection: Connection, which: DeadFilter, *, after: int = 0, limit: int = 100) -> list[Delivery]:
    """Dead deliveries with an id above `after`, in the order of their ids."""
    rows = connection.execute(
        select(*COLUMNS)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .join(users, users.c.id == deliveries.c.user_id)
        .where(*which.conditions(), deliveries.c.id > after)
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    return [Delivery._make(row) for row in rows]


def count_dead(connection: Connection, which: DeadFilter) -> dict[str, int]:
    """How many dead letters there are of each failure class."""
    rows = connection.execute(
        select(deliveries.c.failure, func.count().label("number"))
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(*which.conditions())
        .group_by(deliveries.c.failure)
    )
    return {row.failure: row.number for row in rows}


def count_by_channel(connection: Connection) -> dict[tuple[str, str], int]:
    """How many dead letters of all tenants there are by (channel, failure class), of at most MAX_COUNTED."""
    columns = (deliveries.c.channel, deliveries.c.failure)
    some = select(*columns).where(deliveries.c.state == State.DEAD.value).limit(MAX_COUNTED).subquery()
    rows = connection.execute(select(*some.c, func.count().label("number")).group_by(*some.c))
    return {(row.channel, row.failure): row.number for row in rows}


def count_classes(connection: Connection) -> dict[str, int]:
    """How many dead letters of all tenants there are of each failure class, of at most MAX_COUNTED."""
    some = select(deliveries.c.failure).where(deliveries.c.state == State.DEAD.value).limit(MAX_COUNTED).subquery()
    rows = connection.execute(select(some.c.failure, func.count().label("number")).group_by(some.c.failure))
    return {row.failure: row.number for row in rows}


def hopeless(now: datetime) -> ColumnElement[str | None]:
    """Why sending a dead letter again would not send it, as models/deliveries/gate.py decides; NULL: it would."""
    shows = deliveries.c.action == Action.SHOW.value
    here = (inbox.c.user_id == deliveries.c.user_id, inbox.c.notification_id == deliveries.c.notification_id)
    handled = or_(inbox.c.read_at.is_not(None), inbox.c.archived_at.is_not(None), inbox.c.deleted_at.is_not(None))
    usable = (
        addresses.c.id == deliveries.c.address_id,
        addresses.c.user_id == deliveries.c.user_id,
        addresses.c.disabled_at.is_(None),
    )
    return case(
        (and_(shows, notifications.c.state.in_([state.value for state in WITHDRAWN])), "recalled"),
        (and_(shows, deliveries.c.channel != IN_APP, exists().where(*here, handled)), "handled"),
        (deliveries.c.expires_at <= now, "expired"),
        (and_(deliveries.c.address_id != 0, ~exists().where(*usable)), "address_gone"),
        else_=null(),
    )


def count_hopeless(connection: Connection, which: DeadFilter, now: datetime) -> dict[str, int]:
    """How many dead letters sending again would not help, by reason; of the first MAX_COUNTED that match."""
    some = (
        select(hopeless(now).label("why"))
        .select_from(deliveries)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(*which.conditions())
        .limit(MAX_COUNTED)
        .subquery()
    )
    rows = connection.execute(
        select(some.c.why, func.count().label("number")).where(some.c.why.is_not(None)).group_by(some.c.why)
    )
    return {row.why: row.number for row in rows}


class DeadGroup(NamedTuple):
    """Dead letters that have these in common. `not_redrivable`: the part that sending again would not help, by why."""

    tenant: str
    mode: str
    channel: str
    failure: str
    number: int
    not_redrivable: dict[str, int]


class DeadSummary(NamedTuple):
    """Groups of dead letters, the largest first. `truncated`: there are more than were counted."""

    groups: list[DeadGroup]
    truncated: bool


def summarise(connection: Connection, which: DeadFilter, now: datetime) -> DeadSummary:
    """Count dead letters by tenant, mode, channel and failure class; at most MAX_COUNTED of them."""
    some = (
        select(
            notifications.c.tenant_id.label("tenant"),
            notifications.c.mode,
            deliveries.c.channel,
            deliveries.c.failure,
            hopeless(now).label("why"),
        )
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(*which.conditions())
        .limit(MAX_COUNTED)
        .subquery()
    )
    counts: dict[tuple[str, str, str, str], dict[str | None, int]] = {}
    for *common, why, number in connection.execute(select(*some.c, func.count()).group_by(*some.c)):
        counts.setdefault(tuple(common), {})[why] = number
    groups = [
        DeadGroup(*common, sum(by.values()), {why: by[why] for why in sorted(filter(None, by))})
        for common, by in counts.items()
    ]
    groups.sort(key=lambda group: (-group.number, *group[:4]))
    return DeadSummary(groups, sum(group.number for group in groups) >= MAX_COUNTED)


def redrive(
    connection: Connection, which: DeadFilter, now: datetime, limit: int = 1000, redrive_id: UUID | None = None
) -> int:
    """Make up to `limit` dead letters pending again, with no attempts spent. Returns how many.

    Those that would not be sent all the same (`hopeless`) stay dead. `redrive_id`: the redrive to which the step
    belongs, which takes no letter twice; None: a new one.
    """
    # A letter that dies again at once must not be taken by every following step, without end.
    step = (redrives.c.tenant_id == deliveries.c.tenant_id, redrives.c.delivery_id == deliveries.c.id)
    new = [] if redrive_id is None else [~exists().where(*step, redrives.c.id == redrive_id)]
    chosen = (
        select(deliveries.c.id)
        .join(notifications, notifications.c.id == deliveries.c.notification_id)
        .where(*which.conditions(), hopeless(now).is_(None), *new)
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    these = (
        in_ids(connection, deliveries.c.id, connection.execute(chosen).scalars().all()),
        deliveries.c.state == State.DEAD.value,
    )
    lock_rows(connection, deliveries, *these)
    done = connection.execute(
        update(deliveries)
        .where(*these)
        .values(state=State.PENDING.value, attempts=0, due_at=now, failure=null(), reason=null())
        .returning(deliveries.c.tenant_id, deliveries.c.id.label("delivery_id"))
    ).all()
    if done:
        id_ = redrive_id or uuid_utils.compat.uuid7()
        connection.execute(redrives.insert(), [row._asdict() | {"id": id_} for row in done])
    return len(done)
