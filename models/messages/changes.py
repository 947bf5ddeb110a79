"""Edit and delete messages, and react to them. All under the lock of the conversation.

An edit and a deletion also change the message's own event, so that a replay never brings back what was deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, insert, literal, null, or_, select, tuple_, update

from models.conversations.events import tell_members, tell_members_later
from models.conversations.queries import Conversation
from models.events.tables import events, staged_events
from models.messages.message import Message, message_event, named
from models.messages.queries import reactions_to
from models.messages.search import add_to_index, remove_from_index
from models.messages.tables import hidden_messages, mentions, message_search, message_versions, messages, reactions
from models.sql.statements import insert_ignore, values_table
from models.sql.types import BigId, Instant
from models.timestamps import iso

# Different emoji on one message. An event lists them all.
MAX_EMOJI = 50

_REACTIONS = "chat:message:reactions"


class TooManyEmoji(Exception):
    """The message has as many different reactions as it may have."""


def edit(
    connection: Connection,
    conversation: Conversation,
    message: Message,
    content: str,
    data: dict[str, Any],
    mentioned: Sequence[int],
    mentions_all: bool,
    now: datetime,
) -> Message:
    """Change what a message says. `mentioned` are row ids; who was mentioned before is not mentioned again."""
    if (content, data) == (message.content, message.data):
        return message
    edited = replace(message, content=content, data=data, edited_at=now)
    _keep_version(connection, conversation, message, now)
    told = named(edited) | {
        "content": content,
        "mentions": data.get("mentions", []),
        "mediaUrl": data.get("media_url"),
        "editedAt": iso(now),
    }
    seq = tell_members(connection, conversation, "chat:message:edited", told, now, message.audience)
    changed: dict[str, Any] = {"content": content, "data": data or None, "edited_at": now, "edit_seq": seq}
    # Taken back it would be there for none of those who have not read it yet; and given again, for all once more.
    if mentions_all:
        changed["mentions_all"] = True
    connection.execute(update(messages).where(*_this(conversation, message)).values(changed))
    remove_from_index(connection, conversation.room_id, message.no)
    add_to_index(connection, conversation.tenant_id, conversation.room_id, message.no, content)
    if mentioned:
        new = values_table(connection, "new", {"user_id": BigId}, [(user_id,) for user_id in mentioned])
        row = {"room_id": literal(conversation.room_id), "no": literal(message.no), "user_id": new.c.user_id}
        rows = select(*row.values()).where(literal(1) == 1)
        connection.execute(insert_ignore(connection, mentions).from_select(list(row), rows))
    _rewrite_event(connection, conversation, edited, now)
    return edited


def delete_for_everyone(connection: Connection, conversation: Conversation, message: Message, now: datetime) -> Message:
    """Take a message back. Its number stays, and says that there was one."""
    if message.deleted_at is not None:
        return message
    gone = replace(message, content="", data={}, deleted_at=now, reactions=[])
    _keep_version(connection, conversation, message, now)
    place = (conversation.room_id, message.no)
    remove_from_index(connection, *place)
    for table in (mentions, reactions):
        connection.execute(delete(table).where(table.c.room_id == place[0], table.c.no == place[1]))
    staged = (staged_events.c.room_id == place[0], staged_events.c.type == _REACTIONS)
    connection.execute(delete(staged_events).where(*staged, staged_events.c.key == str(message.no)))
    connection.execute(
        update(messages)
        .where(*_this(conversation, message))
        .values(content="", data=null(), mentions_all=False, deleted_at=now)
    )
    _rewrite_event(connection, conversation, gone, now)
    told = named(message) | {"deletedAt": iso(now), "forEveryone": True}
    tell_members(connection, conversation, "chat:message:deleted", told, now, message.audience)
    return gone


def hide(
    connection: Connection, conversation: Conversation, message: Message, user_id: int, user: str, now: datetime
) -> None:
    """Delete a message for one member only. Their row as a user is held."""
    row = {"user_id": user_id, "room_id": conversation.room_id, "no": message.no}
    if connection.execute(insert_ignore(connection, hidden_messages).values(row)).rowcount:
        told = named(message) | {"deletedAt": iso(now), "forEveryone": False}
        tell_members(connection, conversation, "chat:message:deleted", told, now, [user])


def react(
    connection: Connection,
    conversation: Conversation,
    message: Message,
    user_id: int,
    emoji: str,
    on: bool,
    now: datetime,
) -> Message:
    """Add a member's reaction, or take it back. Their row as a user is held. Raises TooManyEmoji."""
    place = {"room_id": conversation.room_id, "no": message.no, "user_id": user_id, "emoji": emoji}
    if on:
        known = {one.emoji for one in message.reactions}
        if emoji not in known and len(known) >= MAX_EMOJI:
            raise TooManyEmoji
        changed = connection.execute(insert_ignore(connection, reactions).values(place | {"created_at": now}))
    else:
        changed = connection.execute(delete(reactions).where(*(reactions.c[n] == v for n, v in place.items())))
    if not changed.rowcount:
        return message
    here = (conversation.room_id, message.no)
    said = reactions_to(connection, [here], user_id)[here]
    told = named(message) | {"reactions": [{"emoji": one.emoji, "count": one.count} for one in said]}
    if message.is_private:
        # What is staged is for all members.
        tell_members(connection, conversation, _REACTIONS, told, now, message.audience)
    else:
        tell_members_later(connection, conversation, _REACTIONS, str(message.no), told, now)
    return replace(message, reactions=said)


def forget_user(connection: Connection, user_id: int, now: datetime) -> None:
    """Take back the messages that were private to a user who is being deleted, and end the events of theirs.

    A user who gets the same id later is another person, and events name their audience by ids. Messages that the user
    has sent stay for those who received them.
    """
    private = or_(
        messages.c.target_id == user_id, (messages.c.sender_id == user_id) & messages.c.target_id.is_not(None)
    )
    for seq in (messages.c.seq, messages.c.edit_seq):
        told = tuple_(events.c.room_id, events.c.seq).in_(select(messages.c.room_id, seq).where(private))
        connection.execute(update(events).where(told).values(data={}, expires_at=now))
    theirs = select(messages.c.room_id, messages.c.no).where(messages.c.target_id == user_id)
    entries = tuple_(message_search.c.room_id, message_search.c.no).in_(theirs)
    connection.execute(delete(message_search).where(entries))
    connection.execute(
        update(messages)
        .where(messages.c.target_id == user_id)
        .values(
            content="",
            data=null(),
            target_id=null(),
            sender_id=null(),
            mentions_all=False,
            deleted_at=func.coalesce(messages.c.deleted_at, literal(now, Instant())),
        )
    )


def purge_versions(connection: Connection, now: datetime, retention: timedelta, limit: int) -> int:
    """Delete up to `limit` earlier versions of messages that are past retention. Returns how many."""
    old = (
        select(message_versions.c.room_id, message_versions.c.no, message_versions.c.version)
        .where(message_versions.c.replaced_at <= now - retention)
        .order_by(message_versions.c.replaced_at)
        .limit(limit)
    )
    rows = connection.execute(old).all()
    names = ("room_id", "no", "version")
    keys = values_table(connection, "old", dict.fromkeys(names, BigId), [tuple(row) for row in rows])
    these = select(keys.c.no).where(*(keys.c[name] == message_versions.c[name] for name in names))
    return connection.execute(delete(message_versions).where(these.exists())).rowcount if rows else 0


def _this(conversation: Conversation, message: Message) -> list[Any]:
    return [messages.c.room_id == conversation.room_id, messages.c.no == message.no]


def _keep_version(connection: Connection, conversation: Conversation, message: Message, now: datetime) -> None:
    place = (message_versions.c.room_id == conversation.room_id, message_versions.c.no == message.no)
    last = select(func.coalesce(func.max(message_versions.c.version), 0)).where(*place).scalar_subquery()
    connection.execute(
        insert(message_versions).values(
            room_id=conversation.room_id,
            no=message.no,
            version=last + 1,
            content=message.content,
            data=message.data or None,
            replaced_at=now,
        )
    )


def _rewrite_event(connection: Connection, conversation: Conversation, message: Message, now: datetime) -> None:
    """Make the message's event say what the message says now, and end that of an edit before this one."""
    here = events.c.room_id == conversation.room_id
    connection.execute(update(events).where(here, events.c.seq == message.seq).values(data=message_event(message)))
    if message.edit_seq is not None:
        connection.execute(update(events).where(here, events.c.seq == message.edit_seq).values(data={}, expires_at=now))
