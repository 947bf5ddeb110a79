"""Members come and go, and what they may do and want to hear changes. All under the lock of the conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, String, case, delete, func, literal, select, true, update

from models.conversations import events
from models.conversations.queries import Conversation, Notify, Role, participants
from models.conversations.tables import conversations, members
from models.rooms.tables import rooms
from models.sql.statements import in_ids, insert_ignore, values_table
from models.sql.types import BigId, Instant
from models.timestamps import iso
from models.users.tables import users

# An event of a conversation reaches all of its members, and each has a row.
MAX_MEMBERS = 10_000


class Full(Exception):
    """The conversation cannot have so many members."""


class LastOwner(Exception):
    """The conversation would have nobody who can manage it."""


def insert_members(
    connection: Connection,
    tenant_id: str,
    room_id: int,
    roles: Mapping[int, str],
    now: datetime,
    after_no: int = 0,
    after_seq: int = 0,
    seen_no: int = 0,
) -> list[int]:
    """Insert the rows of members by their row ids as users. Returns those who had none."""
    new = values_table(connection, "new", {"user_id": BigId, "role": String()}, list(roles.items()))
    row: dict[str, Any] = {
        "room_id": literal(room_id, BigId),
        "tenant_id": literal(tenant_id),
        "user_id": new.c.user_id,
        "role": new.c.role,
        "created_at": literal(now, Instant()),
        "after_no": literal(after_no, BigInteger),
        "after_seq": literal(after_seq, BigInteger),
        "delivered_no": literal(0, BigInteger),
        "read_no": literal(0, BigInteger),
        "seen_no": literal(seen_no, BigInteger),
        "notify": literal("all"),
    }
    rows = select(*row.values()).where(true()).order_by(new.c.user_id)
    inserted = insert_ignore(connection, members).from_select(list(row), rows).returning(members.c.user_id)
    return list(connection.execute(inserted).scalars())


def add(
    connection: Connection,
    conversation: Conversation,
    named: Mapping[str, int],
    role: Role,
    now: datetime,
    by: str | None,
) -> list[str]:
    """Add users, or invite them; those who are invited become members. Returns who was none before. Raises Full.

    `named`: their row ids, whose rows are held.
    """
    here = select(func.count()).select_from(members).where(members.c.room_id == conversation.room_id)
    known = here.where(in_ids(connection, members.c.user_id, list(named.values())))
    there = connection.execute(select(here.scalar_subquery() - known.scalar_subquery())).scalar_one()
    if there + len(named) > MAX_MEMBERS:
        raise Full
    begin = (0, 0) if conversation.history == "shared" else (conversation.last_no, conversation.head)
    new = insert_members(
        connection,
        conversation.tenant_id,
        conversation.room_id,
        dict.fromkeys(named.values(), role),
        now,
        *begin,
        # Nobody owes it to a group to read what was said before they came. Others are not told that they have read it.
        seen_no=conversation.last_no,
    )
    if role == "invited":
        return _invited(connection, conversation, named, new, now, by)
    changed: dict[str, Any] = {"role": role, "created_at": now, "seen_no": conversation.last_no}
    if conversation.history == "joined":
        changed |= {"after_no": begin[0], "after_seq": begin[1]}
    new += connection.execute(
        update(members)
        .where(
            members.c.room_id == conversation.room_id,
            members.c.role == "invited",
            in_ids(connection, members.c.user_id, list(named.values())),
        )
        .values(changed)
        .returning(members.c.user_id)
    ).scalars()
    if not new:
        return []
    count = _members_changed(connection, conversation, len(new))
    came = [user for user, user_id in named.items() if user_id in set(new)]
    told = events.members_changed(conversation.id, came, count, by, now, role=role)
    events.tell_members(connection, conversation, "chat:member:added", told, now)
    first = participants(connection, [conversation.room_id])[conversation.room_id]
    joined = events.created(conversation, first) | {"memberCount": count, "by": by}
    events.tell_users(connection, new, "chat:conversation:joined", joined, now)
    return came


def remove(connection: Connection, conversation: Conversation, user: str, now: datetime, by: str | None) -> bool:
    """Remove a member, or take an invitation back. False if they were neither.

    If nobody is left who owns the conversation, its oldest moderator does, or its oldest member.
    """
    this = members.c.room_id == conversation.room_id
    theirs = select(users.c.id).where(users.c.tenant_id == conversation.tenant_id, users.c.external_id == user)
    gone = connection.execute(
        delete(members)
        .where(this, members.c.user_id == theirs.scalar_subquery())
        .returning(members.c.user_id, members.c.role)
    ).one_or_none()
    if gone is None:
        return False
    was_member = gone.role != "invited"
    count = _members_changed(connection, conversation, -1 if was_member else 0)
    if was_member:
        told = events.members_changed(conversation.id, [user], count, by, now)
        events.tell_members(connection, conversation, "chat:member:removed", told, now)
    events.tell_users(connection, [gone.user_id], "chat:conversation:left", events.left(conversation, by, now), now)
    if gone.role == "owner":
        _find_heirs(connection, [conversation.room_id], now)
    return True


def set_role(
    connection: Connection, conversation: Conversation, user: str, role: Role, now: datetime, by: str | None
) -> None:
    """Change what a member may do. Raises LastOwner."""
    this = members.c.room_id == conversation.room_id
    if role != "owner" and by is not None:
        owners = select(users.c.external_id).join_from(members, users, users.c.id == members.c.user_id)
        if connection.execute(owners.where(this, members.c.role == "owner").limit(2)).scalars().all() == [user]:
            raise LastOwner
    theirs = select(users.c.id).where(users.c.tenant_id == conversation.tenant_id, users.c.external_id == user)
    changed = connection.execute(
        update(members)
        .where(this, members.c.user_id == theirs.scalar_subquery(), members.c.role.not_in([role, "invited"]))
        .values(role=role)
    )
    if changed.rowcount:
        count = _members_changed(connection, conversation, 0)
        told = events.members_changed(conversation.id, [user], count, by, now, role=role)
        events.tell_members(connection, conversation, "chat:member:changed", told, now)


def set_notify(
    connection: Connection, conversation: Conversation, user_id: int, changed: Mapping[str, Notify | datetime | None]
) -> None:
    """Set which messages a member is pushed and mailed (`notify`), and until when none (`muted_until`)."""
    this = (members.c.room_id == conversation.room_id, members.c.user_id == user_id)
    connection.execute(update(members).where(*this).values(dict(changed)))


def update_conversation(
    connection: Connection, conversation: Conversation, changed: Mapping[str, str | None], now: datetime, by: str | None
) -> None:
    """Set the `name` and the `history`. The latter holds for those who come from now on."""
    this = conversations.c.room_id == conversation.room_id
    connection.execute(update(conversations).where(this).values(dict(changed)))
    told = {"name": conversation.name, "history": conversation.history, **changed}
    told |= {"conversationId": conversation.id, "by": by, "timestamp": iso(now)}
    events.tell_members(connection, conversation, "chat:conversation:updated", told, now)


def leave_all(connection: Connection, user_id: int, user: str, now: datetime) -> None:
    """Take a user who is being deleted out of all conversations, in a number of statements that does not grow."""
    gone = connection.execute(
        delete(members).where(members.c.user_id == user_id).returning(members.c.room_id, members.c.role)
    ).all()
    if not gone:
        return
    left = in_ids(connection, conversations.c.room_id, [row.room_id for row in gone if row.role != "invited"])
    these = in_ids(connection, conversations.c.room_id, [row.room_id for row in gone])
    changed = connection.execute(
        update(conversations)
        .where(these)
        .values(
            members_version=conversations.c.members_version + 1,
            member_count=conversations.c.member_count - case((left, 1), else_=0),
        )
        .returning(conversations.c.room_id, conversations.c.member_count)
    )
    counts = {row.room_id: row.member_count for row in changed}
    keys = _keys(connection, [row.room_id for row in gone if row.role != "invited"])
    told = {i: events.members_changed(key, [user], counts[i], None, now) for i, key in keys.items()}
    events.tell_each(connection, told, "chat:member:removed", now)
    _find_heirs(connection, [row.room_id for row in gone if row.role == "owner"], now)


def _invited(
    connection: Connection,
    conversation: Conversation,
    named: Mapping[str, int],
    new: Sequence[int],
    now: datetime,
    by: str | None,
) -> list[str]:
    if new:
        _members_changed(connection, conversation, 0)
        told = {"conversationId": conversation.id, "name": conversation.name, "by": by, "timestamp": iso(now)}
        events.tell_users(connection, new, "chat:conversation:invited", told, now)
    return [user for user, user_id in named.items() if user_id in set(new)]


def _members_changed(connection: Connection, conversation: Conversation, more: int) -> int:
    """Record that the members have changed. Returns how many there are now."""
    count: int = connection.execute(
        update(conversations)
        .where(conversations.c.room_id == conversation.room_id)
        .values(members_version=conversations.c.members_version + 1, member_count=conversations.c.member_count + more)
        .returning(conversations.c.member_count)
    ).scalar_one()
    return count


def _find_heirs(connection: Connection, room_ids: Sequence[int], now: datetime) -> None:
    """Make the oldest moderator of each of these conversations its owner, or its oldest member, if it has none."""
    if not room_ids:
        return
    heir, owners = members.alias("heir"), members.alias("owners")
    oldest = (
        select(heir.c.user_id)
        .where(heir.c.room_id == members.c.room_id, heir.c.role != "invited")
        .order_by(case((heir.c.role == "moderator", 0), else_=1), heir.c.created_at, heir.c.user_id)
        .limit(1)
        .correlate(members)
    )
    owned = select(owners.c.user_id).where(owners.c.room_id == members.c.room_id, owners.c.role == "owner")
    found = connection.execute(
        update(members)
        .where(
            in_ids(connection, members.c.room_id, room_ids),
            members.c.user_id == oldest.scalar_subquery(),
            ~owned.correlate(members).exists(),
        )
        .values(role="owner")
        .returning(members.c.room_id, members.c.user_id)
    ).all()
    if not found:
        return
    names = connection.execute(
        select(users.c.id, users.c.external_id).where(in_ids(connection, users.c.id, [row.user_id for row in found]))
    )
    of = {row.id: row.external_id for row in names}
    keys = _keys(connection, [row.room_id for row in found])
    counts = {
        row.room_id: row.member_count
        for row in connection.execute(
            select(conversations.c.room_id, conversations.c.member_count).where(
                in_ids(connection, conversations.c.room_id, list(keys))
            )
        )
    }
    told = {
        row.room_id: events.members_changed(
            keys[row.room_id], [of[row.user_id]], counts[row.room_id], None, now, role="owner"
        )
        for row in found
    }
    events.tell_each(connection, told, "chat:member:changed", now)


def _keys(connection: Connection, room_ids: Sequence[int]) -> dict[int, str]:
    rows = connection.execute(select(rooms.c.id, rooms.c.key).where(in_ids(connection, rooms.c.id, room_ids)))
    return {row.id: row.key for row in rows}
