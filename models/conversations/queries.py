"""Conversations as a member or a service finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    and_,
    func,
    literal,
    or_,
    select,
    tuple_,
    union_all,
)

from models.conversations.tables import conversations, members
from models.conversations.unread import unread, unread_mentions
from models.rooms.names import conversation_room, room_is
from models.rooms.tables import rooms
from models.sql.locks import lock_rows
from models.sql.statements import in_ids, values_table
from models.sql.types import Instant
from models.users.tables import users

Kind = Literal["direct", "group"]
History = Literal["shared", "joined", "invited"]
Role = Literal["owner", "moderator", "member", "invited"]
Notify = Literal["all", "mentions", "none"]

# A list shows so many members of each conversation.
PARTICIPANTS = 20


@dataclass(frozen=True, slots=True)
class Member:
    """A row of `members`, with the user's own id as `user`."""

    user_id: int
    user: str
    role: Role
    created_at: datetime
    after_no: int
    delivered_no: int
    read_no: int
    seen_no: int
    notify: Notify
    muted_until: datetime | None

    @property
    def position(self) -> int:
        """The number of the message up to which they have nothing left to read."""
        return max(self.after_no, self.read_no, self.seen_no)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation. `member`: the membership of the user who looks; None for services.

    `room_id` is its row, `id` the id that callers use, `head` the number of its newest event.
    """

    room_id: int
    id: str
    tenant_id: str
    kind: Kind
    name: str | None
    history: History
    created_by: str | None
    created_at: datetime
    member_count: int
    last_no: int
    last_message_at: datetime | None
    head: int
    member: Member | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """A conversation in its member's list."""

    conversation: Conversation
    unread: int
    unread_mentions: int


@dataclass(frozen=True, slots=True)
class Unread:
    """What a user has not read: in all conversations, and in each that has something unread."""

    messages: int
    mentions: int
    conversations: list[tuple[str, int, int]]


_creators = users.alias("creators")
_COLUMNS = (
    conversations.c.room_id,
    rooms.c.key.label("id"),
    conversations.c.tenant_id,
    conversations.c.kind,
    conversations.c.name,
    conversations.c.history,
    _creators.c.external_id.label("created_by"),
    conversations.c.created_at,
    conversations.c.member_count,
    conversations.c.last_no,
    conversations.c.last_message_at,
    rooms.c.head,
)
_MEMBER = (
    members.c.user_id,
    users.c.external_id.label("user"),
    members.c.role,
    members.c.created_at.label("joined_at"),
    members.c.after_no,
    members.c.delivered_no,
    members.c.read_no,
    members.c.seen_no,
    members.c.notify,
    members.c.muted_until,
)
# What a list is ordered by.
_ACTIVITY: ColumnElement[Any] = func.coalesce(conversations.c.last_message_at, conversations.c.created_at)


def find(connection: Connection, tenant_id: str, key: str, user: str | None = None) -> Conversation | None:
    """The conversation, if this user is a member or invited. Without a user, whoever its members are."""
    row = connection.execute(_query(tenant_id, user).where(rooms.c.key == key)).one_or_none()
    return _conversation(row) if row is not None else None


def find_direct(connection: Connection, tenant_id: str, user: str, other: str) -> str | None:
    """The id of the direct conversation of these two users."""
    these = (users.c.tenant_id == tenant_id, users.c.external_id.in_([user, other]))
    ids = sorted(connection.execute(select(users.c.id).where(*these)).scalars())
    if len(ids) != 2:
        return None
    this = (conversations.c.tenant_id == tenant_id, conversations.c.pair == f"{ids[0]}:{ids[1]}")
    found: str | None = connection.execute(
        select(rooms.c.key).join_from(conversations, rooms, rooms.c.id == conversations.c.room_id).where(*this)
    ).scalar_one_or_none()
    return found


def lock(
    connection: Connection, tenant_id: str, key: str, user: str | None = None, with_rooms_of: Sequence[int] = ()
) -> Conversation | None:
    """Find the conversation and lock it until the commit, with the rooms of these users (row ids).

    All writing about a conversation is done under its lock. Rooms are locked in one statement, in their order: later
    statements may then append to any of them.
    """
    room_id = connection.execute(
        select(rooms.c.id).where(room_is(tenant_id, conversation_room(key)))
    ).scalar_one_or_none()
    if room_id is None:
        return None
    these: ColumnElement[bool] = rooms.c.id == room_id
    if with_rooms_of:
        these = or_(these, in_ids(connection, rooms.c.user_id, with_rooms_of))
    lock_rows(connection, rooms, these)
    # In a statement of its own, which sees what was committed while this one waited.
    return find(connection, tenant_id, key, user)


def list_of(
    connection: Connection, tenant_id: str, user: str, *, after: tuple[datetime, str] | None = None, limit: int
) -> list[Overview]:
    """The user's conversations and invitations, by the time of the last message, newest first.

    `after`: the time and the id of the last one of the page before.
    """
    query = _query(tenant_id, user).add_columns(unread().label("unread"), unread_mentions().label("mentioned"))
    if after is not None:
        query = query.where(tuple_(_ACTIVITY, rooms.c.key) < tuple_(literal(after[0], Instant()), literal(after[1])))
    found = connection.execute(query.order_by(_ACTIVITY.desc(), rooms.c.key.desc()).limit(limit))
    return [Overview(_conversation(row), row.unread, row.mentioned) for row in found]


def overview_of(connection: Connection, tenant_id: str, user: str, key: str) -> Overview | None:
    """One of the user's conversations, as a list shows it."""
    query = _query(tenant_id, user).add_columns(unread().label("unread"), unread_mentions().label("mentioned"))
    row = connection.execute(query.where(rooms.c.key == key)).one_or_none()
    return Overview(_conversation(row), row.unread, row.mentioned) if row is not None else None


def count_unread(connection: Connection, tenant_id: str, user: str) -> Unread:
    """What the user has not read, in all conversations."""
    each = (
        select(rooms.c.key, unread().label("unread"), unread_mentions().label("mentioned"))
        .join_from(members, rooms, rooms.c.id == members.c.room_id)
        .join(conversations, conversations.c.room_id == members.c.room_id)
        .join(users, users.c.id == members.c.user_id)
        .where(users.c.tenant_id == tenant_id, users.c.external_id == user, members.c.role != "invited")
        .subquery()
    )
    rows = connection.execute(select(each).where(each.c.unread > 0).order_by(each.c.key)).all()
    return Unread(
        sum(row.unread for row in rows),
        sum(row.mentioned for row in rows),
        [(row.key, row.unread, row.mentioned) for row in rows],
    )


def list_members(
    connection: Connection, conversation: Conversation, *, after: str | None = None, limit: int
) -> list[Member]:
    """The members and those who are invited, by their ids."""
    query = (
        select(*_MEMBER)
        .join_from(members, users, users.c.id == members.c.user_id)
        .where(members.c.room_id == conversation.room_id)
        .order_by(users.c.external_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(users.c.external_id > after)
    return [_member(row) for row in connection.execute(query)]


def find_members(connection: Connection, conversation: Conversation, names: Sequence[str]) -> dict[str, Member]:
    """Those of these users who are members or invited."""
    named = values_table(connection, "named", {"id": String()}, [(name,) for name in names])
    rows = connection.execute(
        select(*_MEMBER)
        .join_from(members, users, users.c.id == members.c.user_id)
        .where(
            members.c.room_id == conversation.room_id,
            users.c.tenant_id == conversation.tenant_id,
            users.c.external_id.in_(select(named.c.id)),
        )
    )
    return {row.user: _member(row) for row in rows}


def find_member(connection: Connection, conversation: Conversation, user: str) -> Member | None:
    """One of the members or of those who are invited."""
    return find_members(connection, conversation, [user]).get(user)


def participants(connection: Connection, room_ids: Sequence[int]) -> dict[int, list[str]]:
    """The first members of each of these conversations, by the order in which they became users."""
    if not room_ids:
        return {}
    found: dict[int, list[str]] = {room_id: [] for room_id in room_ids}
    # A part for each conversation, as SQLite has no LATERAL. One statement over all members would read 10,000 of a
    # large group to show 20.
    parts = []
    for room_id in room_ids:
        few = (
            select(members.c.room_id, members.c.user_id)
            .where(members.c.room_id == room_id, members.c.role != "invited")
            .order_by(members.c.user_id)
            .limit(PARTICIPANTS)
            .subquery()
        )
        parts.append(select(few.c.room_id, few.c.user_id))
    few = union_all(*parts).subquery()
    rows = connection.execute(
        select(few.c.room_id, users.c.external_id)
        .join_from(few, users, users.c.id == few.c.user_id)
        .order_by(few.c.room_id, few.c.user_id)
    )
    for row in rows:
        found[row.room_id].append(row.external_id)
    return found


def _query(tenant_id: str, user: str | None) -> Select[Any]:
    mine = and_(rooms.c.tenant_id == tenant_id, rooms.c.kind == "conversation")
    if user is None:
        return (
            select(*_COLUMNS)
            .join_from(rooms, conversations, conversations.c.room_id == rooms.c.id)
            .outerjoin(_creators, _creators.c.id == conversations.c.created_by)
            .where(mine)
        )
    return (
        select(*_COLUMNS, *_MEMBER)
        .join_from(users, members, members.c.user_id == users.c.id)
        .join(conversations, conversations.c.room_id == members.c.room_id)
        .join(rooms, rooms.c.id == conversations.c.room_id)
        .outerjoin(_creators, _creators.c.id == conversations.c.created_by)
        .where(mine, users.c.tenant_id == tenant_id, users.c.external_id == user)
    )


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(
        **{column.name: getattr(row, column.name) for column in _COLUMNS},
        member=_member(row) if "user_id" in row._mapping else None,
    )


def _member(row: Any) -> Member:
    return Member(
        row.user_id,
        row.user,
        row.role,
        row.joined_at,
        row.after_no,
        row.delivered_no,
        row.read_no,
        row.seen_no,
        row.notify,
        row.muted_until,
    )
