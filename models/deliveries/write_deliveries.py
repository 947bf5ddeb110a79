"""What each user of a page gets: a delivery for each of their addresses, and in-app an event in their log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Insert, Table, exists, func, literal, null, select, true

from models.addresses.devices import usable
from models.addresses.tables import addresses
from models.channels import IN_APP
from models.deliveries.lifecycle import Failure, State
from models.deliveries.message import Action, Batch, Message
from models.deliveries.record import MAX_REASON
from models.deliveries.tables import deliveries
from models.events.log import event_in_each, raise_heads
from models.events.vocabulary import NOTIFICATION_NEW
from models.inbox.tables import inbox
from models.notifications.content import Content, content_of
from models.notifications.queries import Notification
from models.rooms.names import user_room
from models.rooms.tables import rooms
from models.sql.statements import execute_as_one, in_ids, insert_ignore
from models.users.tables import users

# Columns of a SELECT by the names of those of the table that they are for.
Columns = Mapping[str, ColumnElement[Any]]
# The condition that a user, by row id, gets what is written.
Recipients = Callable[[ColumnElement[int]], ColumnElement[bool]]


def write_deliveries(
    connection: Connection, notification: Notification, user_ids: Sequence[int], now: datetime
) -> tuple[set[str], Batch | None]:
    """Write what each of these users gets. Returns the channels with deliveries to claim, and the in-app batch."""
    wanted = notification.channels
    claimable: set[str] = set()
    in_app = None
    if wanted is None or IN_APP in wanted:
        in_app = _write_in_app(connection, notification, user_ids, now)
        if in_app is None:
            claimable.add(IN_APP)
    if wanted != [IN_APP]:
        claimable |= write_to_addresses(
            connection, wanted, constants(notification, now), lambda user_id: in_ids(connection, user_id, user_ids), now
        )
    return claimable, in_app


def write_to_addresses(
    connection: Connection, wanted: Sequence[str] | None, common: Columns, to: Recipients, now: datetime
) -> set[str]:
    """Write a delivery for each usable address. Returns their channels.

    `common` are the columns that do not depend on the address, and `to` says whether a user gets them.
    """
    reached = [to(addresses.c.user_id), usable(now)]
    if wanted is not None:
        reached.append(addresses.c.channel.in_(wanted))
    found = {"user_id": addresses.c.user_id, "channel": addresses.c.channel, "address_id": addresses.c.id}
    connection.execute(new_deliveries(connection, {**common, **found}, *reached))
    for channel in wanted or ():
        if channel != IN_APP:
            _note_missing_address(connection, common, channel, to, now)
    return set(connection.execute(select(addresses.c.channel).where(*reached).distinct()).scalars())


def _write_in_app(
    connection: Connection, notification: Notification, user_ids: Sequence[int], now: datetime
) -> Batch | None:
    """Write the page's events, inbox items and in-app deliveries. None if the deliveries are left for a claim."""
    mine = in_ids(connection, rooms.c.user_id, user_ids)
    common = constants(notification, now)
    # A notification of a test key goes to the lab and must not appear on a user's screen, so it has no event.
    if notification.mode != "live":
        connection.execute(new_deliveries(connection, {**common, **to_room(rooms.c.user_id, null())}, mine))
        return None
    expired = notification.expires_at <= now
    raised = raise_heads(connection, mine)
    item = {
        "user_id": raised.c.user_id,
        "notification_id": literal(notification.id, inbox.c.notification_id.type),
        "seq": raised.c.head,
        "category": literal(notification.category, inbox.c.category.type),
        "expires_at": literal(notification.expires_at, inbox.c.expires_at.type),
    }
    written = execute_as_one(
        connection,
        event_in_each(raised, NOTIFICATION_NEW, notification.id, None, now, notification.expires_at),
        new_rows(connection, inbox, item),
        new_deliveries(
            connection, {**common, **({} if expired else sent(now)), **to_room(raised.c.user_id, raised.c.head)}
        ).returning(deliveries.c.id, deliveries.c.user_id, deliveries.c.seq),
    ).all()
    return None if expired else _batch(connection, notification, written, user_ids, now)


def _batch(
    connection: Connection, notification: Notification, written: Sequence[Any], user_ids: Sequence[int], now: datetime
) -> Batch:
    people = names_of(connection, user_ids)
    content = content_of(notification)
    return Batch([shown(one.id, content, people[one.user_id], one.seq, notification.mode) for one in written], now)


def names_of(connection: Connection, user_ids: Sequence[int]) -> dict[int, tuple[str, str | None]]:
    """The name and the locale of each of these users."""
    named = select(users.c.id, users.c.external_id, users.c.locale).where(in_ids(connection, users.c.id, user_ids))
    return {user_id: (name, locale) for user_id, name, locale in connection.execute(named)}


def shown(delivery_id: int, content: Content, person: tuple[str, str | None], seq: int, mode: str) -> Message:
    """The message of an in-app delivery that was written as sent."""
    name, locale = person
    return Message(
        delivery_id=delivery_id,
        attempt=1,
        action=Action.SHOW,
        content=content,
        user=name,
        address=user_room(name),
        locale=locale,
        seq=seq,
        mode=mode,
    )


def _note_missing_address(connection: Connection, common: Columns, channel: str, to: Recipients, now: datetime) -> None:
    """A channel that was asked for by name leaves a record even for a user who has no address there."""
    settled = literals(state=State.SUPPRESSED.value, due_at=None, failure=Failure.POLICY.value)
    theirs = (addresses.c.user_id == users.c.id, addresses.c.channel == channel)
    # One of several, for a user whose devices are all gone.
    disabled = select(func.max(addresses.c.disabled_reason)).where(*theirs).scalar_subquery()
    reason = func.coalesce(
        func.substr(literal("the address is disabled: ") + disabled, 1, MAX_REASON),
        "the user has no address on this channel",
    )
    columns = {
        **common,
        **settled,
        "user_id": users.c.id,
        "channel": literal(channel),
        "address_id": literal(0),
        "reason": reason,
    }
    has_address = exists().where(*theirs, usable(now))
    connection.execute(new_deliveries(connection, columns, to(users.c.id), ~has_address))


def constants(notification: Notification, now: datetime, **other: Any) -> Columns:
    """What all deliveries of a page have in common, as columns of a SELECT."""
    own = literals(
        notification_id=notification.id,
        tenant_id=notification.tenant_id,
        lane=notification.lane,
        expires_at=notification.expires_at,
    )
    return {**own, **pending(now), **literals(**other)}


def pending(now: datetime) -> Columns:
    """What all new deliveries have in common."""
    return literals(action=Action.SHOW.value, state=State.PENDING.value, attempts=0, due_at=now, created_at=now)


def sent(now: datetime) -> Columns:
    """What differs for those that are sent by being written (ADR 18)."""
    return literals(state=State.SENT.value, attempts=1, due_at=None, sent_at=now)


def literals(**values: Any) -> Columns:
    """Columns of a SELECT that have these values."""
    return {name: literal(value, deliveries.c[name].type) for name, value in values.items()}


def to_room(user_id: ColumnElement[int], seq: ColumnElement[Any]) -> Columns:
    """The other columns of an in-app delivery: its address is the user's room, `seq` its number there."""
    return {"user_id": user_id, "channel": literal(IN_APP), "address_id": literal(0), "seq": seq}


def new_deliveries(connection: Connection, columns: Columns, *where: ColumnElement[bool]) -> Insert:
    """INSERT a delivery for each row of SELECT `columns` WHERE `where`, except those that exist already."""
    return new_rows(connection, deliveries, columns, *where)


def new_rows(connection: Connection, table: Table, columns: Columns, *where: ColumnElement[bool]) -> Insert:
    """INSERT a row for each row of SELECT `columns` WHERE `where`, except those that exist already."""
    # Without a WHERE, SQLite takes the ON of ON CONFLICT for that of a join.
    return insert_ignore(connection, table).from_select(list(columns), select(*columns.values()).where(true(), *where))
