"""Messages as their readers find them: without what is private to others, hidden, or from before their time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, union_all

from models.conversations.queries import Conversation, Member
from models.conversations.tables import members
from models.messages.message import Message, Reaction
from models.messages.tables import hidden_messages, messages, reactions
from models.rooms.tables import rooms
from models.sql.statements import values_table
from models.sql.types import BigId
from models.users.tables import users

_senders = users.alias("senders")
_targets = users.alias("targets")


def page(
    connection: Connection,
    conversation: Conversation,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int,
) -> list[Message]:
    """Messages below the number `before`, newest first; or those above `after`, oldest first."""
    query = _visible(conversation)
    if after is not None:
        query = query.where(messages.c.no > after)
    if before is not None:
        query = query.where(messages.c.no < before)
    order = messages.c.no.desc() if after is None else messages.c.no
    return _complete(connection, conversation, query.order_by(order).limit(limit))


def find(connection: Connection, conversation: Conversation, message_id: UUID) -> Message | None:
    """A message of the conversation that its reader may see."""
    found = _complete(connection, conversation, _visible(conversation).where(messages.c.id == message_id))
    return found[0] if found else None


def find_no(connection: Connection, conversation: Conversation, no: int) -> Message | None:
    """The message with this number, if its reader may see it."""
    found = _complete(connection, conversation, _visible(conversation).where(messages.c.no == no))
    return found[0] if found else None


def conversation_of(connection: Connection, tenant_id: str, message_id: UUID) -> str | None:
    """The id of the conversation that a message is in, whoever may see it."""
    found: str | None = connection.execute(
        select(rooms.c.key)
        .join_from(messages, rooms, rooms.c.id == messages.c.room_id)
        .where(messages.c.id == message_id, messages.c.tenant_id == tenant_id)
    ).scalar_one_or_none()
    return found


def newest_of(connection: Connection, conversations: Sequence[Conversation]) -> dict[int, Message]:
    """The newest message of each conversation that its reader may see, by the row id of the conversation."""
    seen = [one for one in conversations if one.last_no and (one.member is None or one.member.role != "invited")]
    if not seen:
        return {}
    parts = []
    for one in seen:
        newest = (
            select(messages.c.room_id, messages.c.no)
            .where(*_may_see(one))
            .order_by(messages.c.no.desc())
            .limit(1)
            .subquery()
        )
        parts.append(select(newest.c.room_id, newest.c.no))
    newest = union_all(*parts).subquery()
    rows = connection.execute(
        _select().join(newest, and_(newest.c.room_id == messages.c.room_id, newest.c.no == messages.c.no))
    )
    return {row.room_id: _message(row) for row in rows}


def reactions_to(
    connection: Connection, places: Sequence[tuple[int, int]], user_id: int | None
) -> dict[tuple[int, int], list[Reaction]]:
    """The reactions to messages, each by its conversation and number, in the order in which each emoji came first."""
    found: dict[tuple[int, int], list[Reaction]] = {place: [] for place in places}
    if not places:
        return found
    wanted = values_table(connection, "wanted", {"room_id": BigId, "no": BigId}, places)
    mine = func.count().filter(reactions.c.user_id == user_id).label("mine")
    place = (reactions.c.room_id, reactions.c.no)
    rows = connection.execute(
        select(*place, reactions.c.emoji, func.count().label("number"), mine)
        .join_from(wanted, reactions, and_(wanted.c.room_id == place[0], wanted.c.no == place[1]))
        .group_by(*place, reactions.c.emoji)
        .order_by(*place, func.min(reactions.c.created_at), reactions.c.emoji)
    )
    for row in rows:
        found[row.room_id, row.no].append(Reaction(row.emoji, row.number, bool(row.mine)))
    return found


Status = Literal["read", "delivered"]


def receipts(
    connection: Connection, conversation: Conversation, message: Message, *, after: str | None = None, limit: int
) -> list[tuple[str, Status]]:
    """Who has received a message, by their ids, and whether they have read it too."""
    query = (
        select(users.c.external_id, members.c.read_no)
        .join_from(members, users, users.c.id == members.c.user_id)
        .where(*_receivers(conversation, message))
        .order_by(users.c.external_id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(users.c.external_id > after)
    return [
        (row.external_id, "read" if row.read_no >= message.no else "delivered") for row in connection.execute(query)
    ]


def count_receipts(connection: Connection, conversation: Conversation, message: Message) -> tuple[int, int]:
    """How many members have received a message, and how many of them have read it."""
    read = func.count().filter(members.c.read_no >= message.no)
    row = connection.execute(
        select(func.count().label("delivered"), read.label("read"))
        .select_from(members)
        .join(users, users.c.id == members.c.user_id)
        .where(*_receivers(conversation, message))
    ).one()
    return row.delivered, row.read


def _receivers(conversation: Conversation, message: Message) -> list[ColumnElement[bool]]:
    which = [
        members.c.room_id == conversation.room_id,
        members.c.role != "invited",
        members.c.after_no < message.no,
        or_(members.c.delivered_no >= message.no, members.c.read_no >= message.no),
    ]
    if message.sender is not None:
        which.append(users.c.external_id != message.sender)
    if message.is_private:
        which.append(users.c.external_id == message.private_to)
    return which


def may_see(member: Member) -> ColumnElement[bool]:
    """The messages that are for this member, by the time of their membership and by whom they are private to."""
    mine = (messages.c.target_id == member.user_id, messages.c.sender_id == member.user_id)
    return and_(messages.c.no > member.after_no, or_(messages.c.target_id.is_(None), *mine))


def _may_see(conversation: Conversation) -> list[ColumnElement[bool]]:
    which = [messages.c.room_id == conversation.room_id]
    member = conversation.member
    if member is not None:
        hidden = select(hidden_messages.c.no).where(
            hidden_messages.c.user_id == member.user_id,
            hidden_messages.c.room_id == messages.c.room_id,
            hidden_messages.c.no == messages.c.no,
        )
        which += [may_see(member), ~hidden.correlate(messages).exists()]
    return which


def _visible(conversation: Conversation) -> Select[Any]:
    return _select().where(*_may_see(conversation))


def _select() -> Select[Any]:
    return (
        select(
            messages,
            rooms.c.key.label("conversation_id"),
            _senders.c.external_id.label("sender"),
            _targets.c.external_id.label("private_to"),
        )
        .join_from(messages, rooms, rooms.c.id == messages.c.room_id)
        .outerjoin(_senders, _senders.c.id == messages.c.sender_id)
        .outerjoin(_targets, _targets.c.id == messages.c.target_id)
    )


def read_found(connection: Connection, found: Sequence[UUID], user_id: int) -> list[Message]:
    """The messages with these ids, newest first, as this user sees them. It is known that they may."""
    return _with_reactions(
        connection, _select().where(messages.c.id.in_(found)).order_by(messages.c.id.desc()), user_id
    )


def _complete(connection: Connection, conversation: Conversation, query: Select[Any]) -> list[Message]:
    return _with_reactions(connection, query, conversation.member.user_id if conversation.member is not None else None)


def _with_reactions(connection: Connection, query: Select[Any], user_id: int | None) -> list[Message]:
    rows = connection.execute(query).all()
    said = reactions_to(connection, [(row.room_id, row.no) for row in rows], user_id)
    return [replace(_message(row), reactions=said[row.room_id, row.no]) for row in rows]


def _message(row: Row[Any]) -> Message:
    return Message(
        id=row.id,
        conversation_id=row.conversation_id,
        no=row.no,
        sender=row.sender,
        kind=row.kind,
        content=row.content,
        data=row.data or {},
        private_to=row.private_to,
        created_at=row.created_at,
        edited_at=row.edited_at,
        deleted_at=row.deleted_at,
        seq=row.seq,
        edit_seq=row.edit_seq,
        is_private=row.target_id is not None,
    )
