"""Write a message: one row and one event, however many members the conversation has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import uuid_utils.compat
from sqlalchemy import Connection, insert, select, update

from models.conversations.events import tell_members
from models.conversations.queries import Conversation
from models.conversations.tables import conversations, members
from models.messages.message import Kind, Message, message_event
from models.messages.queries import find_no
from models.messages.search import add_to_index
from models.messages.tables import mentions, messages


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A validated message. `sender` and `target` are users by their ids; None is the system, and all members.

    `users`: the row ids of the sender, of the target, and of those in `mentioned`, whose rows are held. `data` is as in
    Message. `request_key` makes its repetition the same message, `request_sha256` tells it from another request.
    """

    sender: str | None
    kind: Kind
    content: str
    users: Mapping[str, int]
    data: dict[str, Any]
    mentioned: list[str] = field(default_factory=list)
    mentions_all: bool = False
    target: str | None = None
    reply_to: int | None = None
    request_key: str | None = None
    request_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """`replayed`: the key was known. `same_body`: and the request was the same."""

    message: Message
    replayed: bool = False
    same_body: bool = True


def send(connection: Connection, conversation: Conversation, new: NewMessage, now: datetime) -> Sent:
    """Write the message, or find the one that has its request key. The conversation is locked."""
    earlier = _earlier(connection, conversation, new)
    if earlier is not None:
        return earlier
    sender_id = new.users[new.sender] if new.sender is not None else None
    message = Message(
        id=uuid_utils.compat.uuid7(),
        conversation_id=conversation.id,
        no=conversation.last_no + 1,
        sender=new.sender,
        kind=new.kind,
        content=new.content,
        data=new.data,
        private_to=new.target,
        created_at=now,
        edited_at=None,
        deleted_at=None,
        seq=0,
        is_private=new.target is not None,
    )
    seq = tell_members(connection, conversation, "chat:message", message_event(message), now, message.audience)
    connection.execute(
        insert(messages).values(
            room_id=conversation.room_id,
            no=message.no,
            id=message.id,
            tenant_id=conversation.tenant_id,
            sender_id=sender_id,
            target_id=new.users[new.target] if new.target is not None else None,
            kind=new.kind,
            content=new.content,
            data=new.data or None,
            reply_to=new.reply_to,
            mentions_all=new.mentions_all,
            request_key=new.request_key,
            request_sha256=new.request_sha256 if new.request_key is not None else None,
            seq=seq,
            created_at=now,
        )
    )
    add_to_index(connection, conversation.tenant_id, conversation.room_id, message.no, new.content)
    this = conversations.c.room_id == conversation.room_id
    connection.execute(update(conversations).where(this).values(last_no=message.no, last_message_at=now))
    if sender_id is not None:
        # Whoever answers has read what was said before.
        read = dict.fromkeys(("delivered_no", "read_no", "seen_no"), message.no)
        theirs = (members.c.room_id == conversation.room_id, members.c.user_id == sender_id)
        connection.execute(update(members).where(*theirs).values(read))
    if new.mentioned:
        place = {"room_id": conversation.room_id, "no": message.no}
        rows = [place | {"user_id": new.users[user]} for user in new.mentioned if user != new.sender]
        if rows:
            connection.execute(insert(mentions), rows)
    return Sent(message)


def _earlier(connection: Connection, conversation: Conversation, new: NewMessage) -> Sent | None:
    if new.request_key is None:
        return None
    row = connection.execute(
        select(messages.c.no, messages.c.request_sha256).where(
            messages.c.room_id == conversation.room_id, messages.c.request_key == new.request_key
        )
    ).one_or_none()
    if row is None:
        return None
    # As a service finds it: the sender may have hidden it.
    message = find_no(connection, replace(conversation, member=None), row.no)
    return Sent(message, True, row.request_sha256 == new.request_sha256) if message is not None else None
