"""What the members of a conversation, and those who come and go, are told of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, String, cast, insert, literal, select, type_coerce

from models.catalogue.source import built_in
from models.conversations.queries import Conversation
from models.events.log import append, append_and_publish, raise_heads
from models.events.publishing import stage
from models.events.tables import events, outbox
from models.rooms.names import conversation_room
from models.rooms.tables import rooms
from models.sql.statements import execute_as_one, in_ids, values_table
from models.sql.types import BigId, Json
from models.timestamps import iso

# Events name at most so many members: one with all of them would be too large. Whoever needs more asks for the list.
NAMED = 20


def tell_members(
    connection: Connection,
    conversation: Conversation,
    type_: str,
    data: dict[str, Any],
    now: datetime,
    audience: Sequence[str] | None = None,
) -> int:
    """Append an event to the conversation, for all members or for those of `audience`. Returns its number."""
    kind = built_in()[type_]
    room = conversation_room(conversation.id)
    return append(connection, conversation.tenant_id, room, type_, data, now, kind.expires_at(now), kind.lane, audience)


def tell_members_later(
    connection: Connection, conversation: Conversation, type_: str, key: str, data: dict[str, Any], now: datetime
) -> None:
    """Append an event to the conversation when the window of its type ends. Only the last of each key is appended."""
    kind = built_in()[type_]
    due_at = kind.window_ends(now)
    this = rooms.c.id == conversation.room_id
    stage(connection, this, type_, key, data, due_at, kind.expires_at(due_at), kind.lane)


def tell_users(
    connection: Connection, user_ids: Sequence[int], type_: str, data: dict[str, Any], now: datetime
) -> None:
    """Append one event to the own room of each of these users."""
    kind = built_in()[type_]
    these = in_ids(connection, rooms.c.user_id, user_ids)
    append_and_publish(connection, these, type_, data, now, kind.expires_at(now), kind.lane)


def tell_each(connection: Connection, said: Mapping[int, dict[str, Any]], type_: str, now: datetime) -> None:
    """Append an event to each of these conversations (row ids), with data of its own."""
    if not said:
        return
    kind = built_in()[type_]
    raised = raise_heads(connection, in_ids(connection, rooms.c.id, sorted(said)))
    texts = [(room_id, json.dumps(data)) for room_id, data in said.items()]
    told = values_table(connection, "told", {"room_id": BigId, "data": String()}, texts)
    # SQLite keeps JSON as text.
    data = cast(told.c.data, Json) if connection.dialect.name == "postgresql" else type_coerce(told.c.data, Json)
    written: dict[str, Any] = {
        "room_id": raised.c.id,
        "seq": raised.c.head,
        "mark": raised.c.mark,
        "type": literal(type_, events.c.type.type),
        "data": data,
        "created_at": literal(now, events.c.created_at.type),
        "expires_at": literal(kind.expires_at(now), events.c.expires_at.type),
    }
    announced: dict[str, Any] = {
        "room_id": raised.c.id,
        "seq": raised.c.head,
        "lane": literal(int(kind.lane), outbox.c.lane.type),
        "due_at": literal(now, outbox.c.due_at.type),
    }
    execute_as_one(
        connection,
        insert(events).from_select(
            list(written), select(*written.values()).join_from(raised, told, told.c.room_id == raised.c.id)
        ),
        insert(outbox).from_select(list(announced), select(*announced.values())),
    )


def created(conversation: Conversation, participants: Sequence[str]) -> dict[str, Any]:
    """The payload of `chat:conversation:created` and of `chat:conversation:joined`."""
    return {
        "conversationId": conversation.id,
        "id": conversation.id,
        "type": conversation.kind,
        "name": conversation.name,
        "history": conversation.history,
        "participants": list(participants[:NAMED]),
        "memberCount": conversation.member_count,
        "createdBy": conversation.created_by,
        "createdAt": iso(conversation.created_at),
    }


def left(conversation: Conversation, by: str | None, now: datetime) -> dict[str, Any]:
    """The payload of `chat:conversation:left`."""
    return {"conversationId": conversation.id, "by": by, "timestamp": iso(now)}


def members_changed(
    conversation_id: str, users: Sequence[str], count: int, by: str | None, now: datetime, **other: Any
) -> dict[str, Any]:
    """The payload of `chat:member:added`, `chat:member:removed` and `chat:member:changed`.

    `by`: None is the service. `count` members there are now.
    """
    return {
        "conversationId": conversation_id,
        "userKeys": list(users[:NAMED]),
        "changed": len(users),
        "memberCount": count,
        "by": by,
        "timestamp": iso(now),
        **other,
    }
