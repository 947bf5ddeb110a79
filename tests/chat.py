"""Conversations for tests, begun through the actions."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, select

from actions import conversations, messages
from actions.installation import Installation
from actions.principal import Principal
from actions.problems import Problem
from carillon.chat import ChangedMessage, NewConversation, NewMessage
from models.events.tables import events
from models.messages.message import Message
from models.rooms.names import room_is
from models.rooms.tables import rooms
from models.sql.engine import read

CROWD = ["ann", "bob", "cas", "dot"]
SERVICE = Principal("service", "acme", "ck_live_00000000", "live")


def user(name: str, tenant: str = "acme") -> Principal:
    """A user, as they ask."""
    return Principal("user", tenant, name, "live")


def refusal(work: Any, *args: Any, **named: Any) -> tuple[int, str]:
    """The status and the code of the problem that this raises."""
    with pytest.raises(Problem) as refused:
        work(*args, **named)
    return refused.value.status, refused.value.code


def direct(chat: Installation, one: str, other: str) -> conversations.Begun:
    """Begin the direct conversation of these two."""
    return conversations.create_conversation(chat, user(one), NewConversation(type="direct", participants=[other]))


def group(chat: Installation, *names: str, **other: Any) -> str:
    """A group of these users, the first of whom owns it. Returns its id."""
    request = NewConversation(type="group", participants=list(names), created_by=names[0], **other)
    return conversations.create_conversation(chat, SERVICE, request).id


def say(chat: Installation, conversation: str, sender: str, content: str = "Hello", **other: Any) -> Message:
    """Send a message as this user."""
    return messages.send_message(chat, user(sender), conversation, NewMessage(content=content, **other)).message


def system(chat: Installation, conversation: str, content: str = "Hello", **other: Any) -> Message:
    """Send a message as the system."""
    return messages.send_message(chat, SERVICE, conversation, NewMessage(content=content, **other)).message


def edit(chat: Installation, message: Message, sender: str, content: str, **other: Any) -> Message:
    return messages.edit_message(
        chat, user(sender), message.conversation_id, str(message.id), ChangedMessage(content=content, **other)
    )


def unread(chat: Installation, conversation: str, name: str) -> tuple[int, int]:
    """(unread messages, unread mentions) of a member."""
    found = conversations.look_at(chat, user(name), conversation)
    return found.unread, found.unread_mentions


def seen(chat: Installation, conversation: str, name: str) -> list[str]:
    """What the messages say that a user sees, oldest first."""
    found = messages.list_messages(chat, user(name), conversation, after=0, limit=100)
    return [one.content for one in found]


def told(engine: Engine, room: str, tenant: str = "acme") -> list[tuple[str, dict[str, Any]]]:
    """The events of a room, in their order."""
    with read(engine) as connection:
        rows = connection.execute(
            select(events.c.type, events.c.data)
            .join(rooms, rooms.c.id == events.c.room_id)
            .where(room_is(tenant, room))
            .order_by(events.c.seq)
        )
        return [(row.type, row.data) for row in rows]
