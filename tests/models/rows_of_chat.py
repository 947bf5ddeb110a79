"""Rows of conversations, written as they are in the tables, for tests of the log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection, Engine, delete, insert, select, update

from models.conversations.tables import conversations, members
from models.events import log
from models.rooms.names import room_is
from models.rooms.tables import rooms
from models.sql.engine import write
from models.users.queries import Person, upsert_users
from tests.factories import NOW

LATER = NOW + timedelta(days=1)


def create_conversation(engine: Engine, key: str, users: Sequence[str], tenant: str = "acme") -> None:
    """A conversation with these members, who see all of it."""
    create_conversations(engine, [key], users, tenant)


def create_conversations(engine: Engine, keys: Sequence[str], users: Sequence[str], tenant: str = "acme") -> None:
    """So many of them."""
    with write(engine) as connection:
        connection.execute(
            insert(rooms),
            [{"tenant_id": tenant, "kind": "conversation", "key": key, "head": 0, "purged": 0} for key in keys],
        )
        new = select(rooms.c.id).where(rooms.c.tenant_id == tenant, rooms.c.key.in_(keys)).order_by(rooms.c.id)
        ids = connection.execute(new).scalars().all()
        common = {"tenant_id": tenant, "created_at": NOW}
        group = {"kind": "group", "history": "shared", "last_no": 0}
        connection.execute(insert(conversations), [common | group | {"room_id": id_} for id_ in ids])
        all_of = upsert_users(connection, tenant, map(Person, users), NOW)
        place = {"role": "member", "after_no": 0, "after_seq": 0}
        rows = [common | place | {"room_id": id_, "user_id": user} for id_ in ids for user in all_of]
        connection.execute(insert(members), rows)


def add_member(
    engine: Engine, key: str, user: str, after_seq: int = 0, role: str = "member", tenant: str = "acme"
) -> None:
    with write(engine) as connection:
        room_id = connection.execute(select(rooms.c.id).where(room_is(tenant, f"conversation:{key}"))).scalar_one()
        _add(connection, tenant, room_id, user, after_seq, role)
        _changed(connection, room_id)


def remove_member(engine: Engine, key: str, user: str, tenant: str = "acme") -> None:
    with write(engine) as connection:
        room_id = connection.execute(select(rooms.c.id).where(room_is(tenant, f"conversation:{key}"))).scalar_one()
        [user_id] = upsert_users(connection, tenant, [Person(user)], NOW)
        connection.execute(delete(members).where(members.c.room_id == room_id, members.c.user_id == user_id))
        _changed(connection, room_id)


def say(
    connection: Connection, key: str, text: str, audience: Sequence[str] | None = None, tenant: str = "acme"
) -> int:
    """Append one message's event. Returns its number."""
    room = f"conversation:{key}"
    return log.append(connection, tenant, room, "chat:message", {"content": text}, NOW, LATER, audience=audience)


def _changed(connection: Connection, room_id: int) -> None:
    version = conversations.c.members_version + 1
    connection.execute(update(conversations).where(conversations.c.room_id == room_id).values(members_version=version))


def _add(
    connection: Connection, tenant: str, room_id: int, user: str, after_seq: int = 0, role: str = "member"
) -> None:
    [user_id] = upsert_users(connection, tenant, [Person(user)], NOW)
    connection.execute(
        insert(members).values(
            room_id=room_id,
            user_id=user_id,
            tenant_id=tenant,
            role=role,
            created_at=NOW,
            after_no=0,
            after_seq=after_seq,
        )
    )
