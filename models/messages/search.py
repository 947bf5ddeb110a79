"""Search in messages: an index of tokens, FTS5 on SQLite and GIN on PostgreSQL.

Tokens are stored as hexadecimal numbers, so that neither database splits, folds or drops one. Each message also has the
token of its tenant and that of its conversation, by which a search is narrowed inside the index.
"""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, cast, delete, exists, insert, or_, select, text
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR

from models.conversations.tables import members
from models.messages.tables import hidden_messages, message_search, messages
from models.messages.tokens import Query, tokens


class Found(NamedTuple):
    """A message that was found, by its conversation and number, and by its id."""

    room_id: int
    no: int
    id: UUID


def add_to_index(connection: Connection, tenant_id: str, room_id: int, no: int, content: str) -> None:
    """Make a message findable by its content, if it has any words. It must not be in the index."""
    words = tokens(content)
    if not words:
        return
    scopes = (_tenant(tenant_id), _conversation(room_id))
    stored = " ".join(sorted([*scopes, *map(_hex, words)]))
    value = cast(stored, TSVECTOR) if connection.dialect.name == "postgresql" else stored
    connection.execute(insert(message_search).values(room_id=room_id, no=no, tokens=value))


def remove_from_index(connection: Connection, room_id: int, no: int) -> None:
    """Make a message impossible to find: it was deleted, or is about to be indexed again."""
    this = (message_search.c.room_id == room_id, message_search.c.no == no)
    connection.execute(delete(message_search).where(*this))


def search(
    connection: Connection,
    tenant_id: str,
    user_id: int,
    asked: Query,
    *,
    room_id: int | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> list[Found]:
    """The messages that contain what is asked for and that the user may see, newest first, older than `before`.

    `user_id` is the row of the user. `room_id` narrows the search to one conversation. An empty query finds nothing.
    """
    if not asked.words and asked.prefix is None:
        return []
    scope = _tenant(tenant_id) if room_id is None else _conversation(room_id)
    mine = (members.c.room_id == messages.c.room_id) & (members.c.user_id == user_id)
    entry = (message_search.c.room_id == messages.c.room_id) & (message_search.c.no == messages.c.no)
    hidden = exists().where(
        hidden_messages.c.user_id == user_id,
        hidden_messages.c.room_id == messages.c.room_id,
        hidden_messages.c.no == messages.c.no,
    )
    statement = (
        select(messages.c.room_id, messages.c.no, messages.c.id)
        .join(members, mine)
        .join(message_search, entry)
        .where(
            _matches(connection, scope, asked),
            members.c.role != "invited",
            messages.c.no > members.c.after_no,
            messages.c.deleted_at.is_(None),
            or_(messages.c.target_id.is_(None), messages.c.target_id == user_id, messages.c.sender_id == user_id),
            ~hidden,
        )
        .order_by(messages.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(messages.c.id < before)
    return [Found._make(row) for row in connection.execute(statement)]


def _matches(connection: Connection, scope: str, asked: Query) -> ColumnElement[bool]:
    words = [scope, *map(_hex, asked.words)]
    if connection.dialect.name == "postgresql":
        begun = [f"{_hex(asked.prefix)}:*"] if asked.prefix is not None else []
        return message_search.c.tokens.bool_op("@@")(cast(" & ".join([*words, *begun]), TSQUERY))
    begun = [f'"{_hex(asked.prefix)}"*'] if asked.prefix is not None else []
    fts = text("SELECT rowid FROM message_fts WHERE message_fts MATCH :asked").bindparams(
        asked=" AND ".join([*(f'"{word}"' for word in words), *begun])
    )
    return message_search.c.id.in_(fts)


def _hex(token: str) -> str:
    return token.encode().hex()


# Scopes begin with letters that no hexadecimal number begins with.


def _tenant(tenant_id: str) -> str:
    return f"t{_hex(tenant_id)}"


def _conversation(room_id: int) -> str:
    return f"r{room_id}"
