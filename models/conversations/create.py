"""Begin conversations. There is one direct conversation for each pair of users, also if both begin it at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import uuid_utils.compat
from sqlalchemy import Connection, delete, select

from models.conversations import events
from models.conversations.members import insert_members
from models.conversations.queries import History, Kind, find
from models.conversations.tables import conversations
from models.rooms.tables import rooms
from models.sql.statements import insert_ignore


@dataclass(frozen=True, slots=True)
class NewConversation:
    """A validated request. `members` are the users by their ids, with their row ids, whose rows are held.

    `owner` is one of them; a group without one is managed by services. `by`: who asks, None for a service.
    """

    tenant_id: str
    kind: Kind
    members: Mapping[str, int]
    owner: str | None = None
    id: str | None = None
    name: str | None = None
    history: History = "shared"
    by: str | None = None


def create(connection: Connection, new: NewConversation, now: datetime) -> tuple[str, bool]:
    """Create the conversation. Returns its id, and False if one has this id or is that of this pair already."""
    low, high = (*sorted(new.members.values()), 0, 0)[:2]
    pair = f"{low}:{high}" if new.kind == "direct" else None
    earlier = _of_pair(connection, new.tenant_id, pair)
    if earlier is not None:
        return earlier, False
    key = new.id or str(uuid_utils.compat.uuid7())
    room = {"tenant_id": new.tenant_id, "kind": "conversation", "key": key, "head": 0, "purged": 0}
    room_id = connection.execute(insert_ignore(connection, rooms).values(room).returning(rooms.c.id)).scalar()
    if room_id is None:
        return key, False
    creator = new.members.get(new.by or new.owner or "")
    made = connection.execute(
        insert_ignore(connection, conversations)
        .values(
            room_id=room_id,
            tenant_id=new.tenant_id,
            kind=new.kind,
            name=new.name,
            pair=pair,
            history=new.history,
            created_by=creator,
            created_at=now,
            member_count=len(new.members),
            last_no=0,
            members_version=1,
        )
        .returning(conversations.c.room_id)
    ).scalar()
    if made is None:
        # The other one of the pair was first, and has committed by now.
        connection.execute(delete(rooms).where(rooms.c.id == room_id))
        return str(_of_pair(connection, new.tenant_id, pair)), False
    roles = {user_id: "owner" if user == new.owner else "member" for user, user_id in new.members.items()}
    insert_members(connection, new.tenant_id, room_id, roles, now)
    conversation = find(connection, new.tenant_id, key)
    if conversation is None:
        raise LookupError("no conversation")
    told = events.created(conversation, list(new.members))
    everybody = list(new.members.values())
    events.tell_users(connection, everybody, "chat:conversation:joined", told, now)
    events.tell_users(connection, everybody, "chat:conversation:created", told, now)
    return key, True


def _of_pair(connection: Connection, tenant_id: str, pair: str | None) -> str | None:
    if pair is None:
        return None
    this = (conversations.c.tenant_id == tenant_id, conversations.c.pair == pair)
    found: str | None = connection.execute(
        select(rooms.c.key).join_from(conversations, rooms, rooms.c.id == conversations.c.room_id).where(*this)
    ).scalar_one_or_none()
    return found
