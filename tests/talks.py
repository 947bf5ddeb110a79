"""Conversations, members and messages as rows, for tests of what is attached to them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import uuid_utils.compat
from sqlalchemy import Engine, delete, func, insert, select, update

from models.conversations.tables import conversations, members
from models.messages.tables import messages
from models.rooms.tables import rooms
from models.sql.engine import write
from models.users.tables import users
from tests.factories import NOW, create_users


def create_conversation(
    engine: Engine, names: Sequence[str], key: str = "talk", *, tenant: str = "acme", now: datetime = NOW
) -> int:
    """A group of these users, who are created. Returns its row."""
    create_users(engine, names, tenant=tenant, now=now)
    with write(engine) as connection:
        made = insert(rooms).values(tenant_id=tenant, kind="conversation", key=key).returning(rooms.c.id)
        room: int = connection.execute(made).scalar_one()
        connection.execute(
            insert(conversations).values(
                room_id=room, tenant_id=tenant, kind="group", history="shared", created_at=now, members_version=1
            )
        )
    for name in names:
        join(engine, room, name, now=now)
    return room


def join(engine: Engine, room: int, user: str, role: str = "member", after_no: int = 0, now: datetime = NOW) -> None:
    """Make the user a member who sees the messages after `after_no`."""
    with write(engine) as connection:
        row = {"room_id": room, "user_id": user_id(connection, user), "tenant_id": "acme", "role": role}
        connection.execute(insert(members).values(**row, created_at=now, after_no=after_no, after_seq=0))


def leave(engine: Engine, room: int, user: str) -> None:
    """The user is no member any more."""
    with write(engine) as connection:
        this = (members.c.room_id == room, members.c.user_id == user_id(connection, user))
        connection.execute(delete(members).where(*this))


def say(engine: Engine, room: int, sender: str, target: str | None = None, now: datetime = NOW) -> int:
    """A message. Returns its number."""
    with write(engine) as connection:
        last = select(func.coalesce(func.max(messages.c.no), 0)).where(messages.c.room_id == room)
        no = int(connection.execute(last).scalar_one()) + 1
        connection.execute(
            insert(messages).values(
                room_id=room,
                no=no,
                id=uuid_utils.compat.uuid7(),
                tenant_id="acme",
                sender_id=user_id(connection, sender),
                target_id=user_id(connection, target) if target else None,
                kind="file",
                content="Look",
                mentions_all=False,
                seq=no,
                created_at=now,
            )
        )
        connection.execute(update(conversations).where(conversations.c.room_id == room).values(last_no=no))
    return no


def user_id(connection: Any, name: str, tenant: str = "acme") -> int:
    """The row of a user."""
    this = (users.c.tenant_id == tenant, users.c.external_id == name)
    return int(connection.execute(select(users.c.id).where(*this)).scalar_one())
