"""What members have received and read: positions that never move back, told once a second."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, Connection, func, literal, or_, select, update

from models.catalogue.source import built_in
from models.conversations.events import tell_members_later
from models.conversations.queries import Conversation, find
from models.conversations.tables import members
from models.conversations.unread import further
from models.events.publishing import stage
from models.messages.tables import messages
from models.rooms.names import conversation_room, room_is, user_room
from models.rooms.tables import rooms
from models.sql.locks import hold_rows
from models.timestamps import iso

# In conversations with more members, a receipt says how many they are and not who.
MAX_NAMED = 100

# `seen`: read, and nobody else is told.
Receipt = Literal["delivered", "read", "seen"]


def mark(
    connection: Connection, tenant_id: str, key: str, user: str, receipt: Receipt, no: int | None, now: datetime
) -> Conversation | None:
    """Move the user's position to the message with this number, or to the newest one. None if they are no member.

    Several receipts in one conversation do not wait for one another, nor for messages.
    """
    mine = or_(room_is(tenant_id, conversation_room(key)), room_is(tenant_id, user_room(user)))
    hold_rows(connection, rooms, mine)
    conversation = find(connection, tenant_id, key, user)
    member = conversation.member if conversation is not None else None
    if conversation is None or member is None or member.role == "invited":
        return None
    upto = conversation.last_no if no is None else min(no, conversation.last_no)
    moved = {"delivered": ["delivered_no"], "read": ["read_no", "delivered_no"], "seen": ["seen_no"]}[receipt]
    columns = [members.c[name] for name in moved]
    changed = connection.execute(
        update(members)
        .where(members.c.room_id == conversation.room_id, members.c.user_id == member.user_id, columns[0] < upto)
        .values({column.name: further(column, literal(upto, BigInteger)) for column in columns})
    )
    if changed.rowcount:
        _tell(connection, conversation, user, receipt, upto, now)
    return find(connection, tenant_id, key, user)


def _tell(
    connection: Connection, conversation: Conversation, user: str, receipt: Receipt, no: int, now: datetime
) -> None:
    type_ = "chat:message:delivered" if receipt == "delivered" else "chat:message:read"
    who = {"deliveredTo" if receipt == "delivered" else "readBy": user}
    told: dict[str, Any] = {"conversationId": conversation.id, "no": no, "timestamp": iso(now)}
    # The id of a private message is for nobody else.
    its = (messages.c.room_id == conversation.room_id, messages.c.no == no, messages.c.target_id.is_(None))
    message_id = connection.execute(select(messages.c.id).where(*its)).scalar_one_or_none()
    if message_id is not None:
        told["messageId"] = str(message_id)
    few = conversation.member_count <= MAX_NAMED
    if receipt != "seen" and few:
        tell_members_later(connection, conversation, type_, user, told | who, now)
    elif receipt != "seen" and no == conversation.last_no:
        position = members.c.delivered_no if receipt == "delivered" else members.c.read_no
        here = (members.c.room_id == conversation.room_id, position >= no)
        count = connection.execute(select(func.count()).select_from(members).where(*here)).scalar_one()
        tell_members_later(connection, conversation, type_, "", told | {"count": count}, now)
    if receipt != "delivered" and (receipt == "seen" or not few):
        # The reader's other pages.
        kind = built_in()[type_]
        due_at = kind.window_ends(now)
        mine = room_is(conversation.tenant_id, user_room(user))
        stage(connection, mine, type_, conversation.id, told | who, due_at, kind.expires_at(due_at), kind.lane)
