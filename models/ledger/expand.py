"""From a notification to its events and deliveries, one page of the audience in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, exists, func, literal, null, select, update

from models.db import among, insert_new
from models.ledger.devices import usable
from models.ledger.people import Person, upsert_users
from models.lifecycle import Failure, State
from models.log import append_to_users
from models.tables import addresses, deliveries, inbox, notifications, rooms, subscriptions, users

# Users in one transaction: a page's locks are held for some tens of milliseconds.
PAGE = 1000

# If the next page is not written by then, the relay rings again.
NEXT_PAGE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Page:
    """What one page wrote: the channels that now have work, for how many users, and whether it was the last page."""

    channels: frozenset[str]
    recipients: int
    finished: bool


def expand_page(connection: Connection, notification_id: UUID, now: datetime, size: int = PAGE) -> Page | None:
    """Write the next page of an accepted notification, or of its recall.

    None where there is nothing to do: finished, unknown, or another worker is at it this moment. The page and the
    position are committed together, so a crash repeats nothing and skips nothing.
    """
    # The row's lock lasts as long as the transaction: no lease to expire, and a killed worker frees it at once. The key
    # is left free, for others who write a delivery of this notification.
    notification = connection.execute(
        select(notifications)
        .where(notifications.c.id == notification_id, notifications.c.due_at.is_not(None))
        .with_for_update(skip_locked=True, key_share=True)
    ).one_or_none()
    if notification is None:
        return None
    step, final = (_recall, "recalled") if notification.state == "recalling" else (_address, "expanded")
    page, cursor = step(connection, notification, now, size)
    connection.execute(
        update(notifications)
        .where(notifications.c.id == notification_id)
        .values(
            cursor=cursor,
            recipients=notifications.c.recipients + (page.recipients if final == "expanded" else 0),
            state=final if page.finished else notification.state,
            due_at=None if page.finished else now + NEXT_PAGE,
        )
    )
    return page


def _address(connection: Connection, notification: Row[Any], now: datetime, size: int) -> tuple[Page, int]:
    user_ids, cursor, finished = _audience_page(connection, notification, now, size)
    if not user_ids:
        return Page(frozenset(), 0, finished), cursor
    wanted = notification.channels
    written: set[str] = set()
    if wanted is None or "in_app" in wanted:
        _address_rooms(connection, notification, user_ids, now)
        written.add("in_app")
    reached = [among(connection, addresses.c.user_id, user_ids), usable(now)]
    if wanted is not None:
        reached.append(addresses.c.channel.in_(wanted))
    found = {"user_id": addresses.c.user_id, "channel": addresses.c.channel, "address_id": addresses.c.id}
    _insert(connection, _constants(notification, now) | found, *reached)
    written.update(connection.execute(select(addresses.c.channel).where(*reached).distinct()).scalars())
    for channel in wanted or ():
        if channel != "in_app":
            _note_missing_address(connection, notification, channel, user_ids, now)
    return Page(frozenset(written), len(user_ids), finished), cursor


def _audience_page(
    connection: Connection, notification: Row[Any], now: datetime, size: int
) -> tuple[Sequence[int], int, bool]:
    """(row ids of the page's users, the next cursor, whether this page is the last)."""
    audience, cursor = notification.audience, notification.cursor
    if "users" in audience:
        people = [Person(**person) for person in audience["users"][cursor : cursor + size]]
        user_ids: Sequence[int] = upsert_users(connection, notification.tenant_id, people, now)
        cursor += len(people)
        return user_ids, cursor, cursor >= len(audience["users"])
    if "topic" in audience:
        column = subscriptions.c.user_id
        page = select(column).where(
            subscriptions.c.tenant_id == notification.tenant_id, subscriptions.c.topic == audience["topic"]
        )
    else:
        column = users.c.id
        page = select(column).where(users.c.tenant_id == notification.tenant_id)
    user_ids = connection.execute(page.where(column > cursor).order_by(column).limit(size)).scalars().all()
    return user_ids, user_ids[-1] if user_ids else cursor, len(user_ids) < size


def _address_rooms(connection: Connection, notification: Row[Any], user_ids: Sequence[int], now: datetime) -> None:
    seq: ColumnElement[Any] = null()
    # A test key's notification goes to the lab and must not appear on anybody's screen, so it has no event.
    if notification.mode == "live":
        append_to_users(connection, user_ids, "notification:new", notification.id, now, notification.expires_at)
        seq = rooms.c.head
        _insert_inbox(connection, notification, user_ids)
    columns = {"user_id": rooms.c.user_id, "channel": literal("in_app"), "address_id": literal(0), "seq": seq}
    _insert(connection, _constants(notification, now) | columns, among(connection, rooms.c.user_id, user_ids))


def _insert_inbox(connection: Connection, notification: Row[Any], user_ids: Sequence[int]) -> None:
    columns = {
        "user_id": rooms.c.user_id,
        "notification_id": literal(notification.id, inbox.c.notification_id.type),
        "seq": rooms.c.head,
        "category": literal(notification.category, inbox.c.category.type),
        "expires_at": literal(notification.expires_at, inbox.c.expires_at.type),
    }
    mine = select(*columns.values()).where(among(connection, rooms.c.user_id, user_ids))
    connection.execute(insert_new(connection, inbox).from_select(list(columns), mine))


def _note_missing_address(
    connection: Connection, notification: Row[Any], channel: str, user_ids: Sequence[int], now: datetime
) -> None:
    """A channel asked for by name leaves a record even for a user who has no address there."""
    settled = {
        "state": State.SUPPRESSED.value,
        "due_at": None,
        "failure": Failure.POLICY.value,
        "reason": "the user has no address on this channel",
    }
    columns = _constants(notification, now, **settled) | {
        "user_id": users.c.id,
        "channel": literal(channel),
        "address_id": literal(0),
    }
    has_address = exists().where(addresses.c.user_id == users.c.id, addresses.c.channel == channel, usable(now))
    _insert(connection, columns, among(connection, users.c.id, user_ids), ~has_address)


def _recall(connection: Connection, notification: Row[Any], now: datetime, size: int) -> tuple[Page, int]:
    """Cancel what is still pending, and take back what was shown."""
    this = deliveries.c.notification_id == notification.id
    reached = deliveries.c.user_id
    user_ids = (
        connection.execute(
            select(reached).where(this, reached > notification.cursor).distinct().order_by(reached).limit(size)
        )
        .scalars()
        .all()
    )
    if not user_ids:
        return Page(frozenset(), 0, True), notification.cursor
    if connection.dialect.name == "postgresql":
        # Rooms first, in their order, as everybody does who then changes what is in them.
        mine = select(rooms.c.id).where(among(connection, rooms.c.user_id, user_ids)).order_by(rooms.c.id)
        connection.execute(mine.with_for_update(key_share=True))
    theirs = (this, among(connection, reached, user_ids), deliveries.c.action == "show")
    connection.execute(
        update(deliveries)
        .where(*theirs, deliveries.c.state == State.PENDING.value)
        .values(state=State.CANCELLED.value, due_at=None, failure=Failure.POLICY.value, reason="recalled")
    )
    connection.execute(
        update(inbox)
        .where(inbox.c.notification_id == notification.id, among(connection, inbox.c.user_id, user_ids))
        .values(deleted_at=func.coalesce(inbox.c.deleted_at, now))
    )
    channels: set[str] = set()
    if notification.mode == "live":
        # The event is in the log whether or not it was sent yet, so every room gets its withdrawal.
        in_app = select(reached).where(*theirs, deliveries.c.channel == "in_app")
        with_event = connection.execute(in_app).scalars().all()
        if with_event:
            append_to_users(
                connection, with_event, "notification:deleted", notification.id, now, notification.expires_at
            )
            columns = {
                "user_id": rooms.c.user_id,
                "channel": literal("in_app"),
                "address_id": literal(0),
                "seq": rooms.c.head,
            }
            _insert(
                connection,
                _constants(notification, now, action="withdraw") | columns,
                among(connection, rooms.c.user_id, with_event),
            )
            channels.add("in_app")
    # One that is being sent this moment may arrive yet, so it is withdrawn too.
    shown = deliveries.c.state.in_([State.SENDING.value, State.SENT.value, State.ACKED.value])
    elsewhere = (*theirs, deliveries.c.channel == "push", shown)
    columns = {"user_id": reached, "channel": deliveries.c.channel, "address_id": deliveries.c.address_id}
    _insert(connection, _constants(notification, now, action="withdraw") | columns, *elsewhere)
    if connection.execute(select(literal(1)).where(*elsewhere).limit(1)).first():
        channels.add("push")
    return Page(frozenset(channels), len(user_ids), len(user_ids) < size), user_ids[-1]


def _constants(notification: Row[Any], now: datetime, **other: Any) -> dict[str, ColumnElement[Any]]:
    """What all deliveries of a page have in common, as columns of a SELECT."""
    values = {
        "notification_id": notification.id,
        "tenant_id": notification.tenant_id,
        "action": "show",
        "lane": notification.lane,
        "state": State.PENDING.value,
        "attempts": 0,
        "due_at": now,
        "expires_at": notification.expires_at,
        "created_at": now,
    } | other
    return {name: literal(value, deliveries.c[name].type) for name, value in values.items()}


def _insert(connection: Connection, columns: dict[str, Any], *where: ColumnElement[bool]) -> None:
    connection.execute(
        insert_new(connection, deliveries).from_select(list(columns), select(*columns.values()).where(*where))
    )
