"""Messages of conversations, and what members say about them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from models.sql.types import BigId, Instant, Json, Tokens, metadata

# Messages that not every member counts as unread, and those that mention all members.
_EXCEPTIONS = text("target_id IS NOT NULL OR deleted_at IS NOT NULL OR mentions_all")

messages = Table(
    "messages",
    metadata,
    Column("room_id", ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    # Its number in the conversation, from 1, without gaps.
    Column("no", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Uuid, nullable=False, unique=True),
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    # None: the system, or a user who was deleted.
    Column("sender_id", ForeignKey("users.id", ondelete="SET NULL")),
    # A private message is for its sender and this user alone. It goes with this user.
    Column("target_id", ForeignKey("users.id", ondelete="CASCADE")),
    # text, image, file, system
    Column("kind", String(12), nullable=False),
    Column("content", Text, nullable=False),
    # What goes with it, as models/messages/message.py has it.
    Column("data", Json),
    Column("reply_to", BigInteger),
    Column("mentions_all", Boolean, nullable=False, default=False),
    # What makes the repetition of a request the same message: the sender's row id and tempId, or a service's key.
    Column("request_key", String(160)),
    Column("request_sha256", String(64)),
    # The number of its event in the room.
    Column("seq", BigInteger, nullable=False),
    # The number of the event that tells of its last edit.
    Column("edit_seq", BigInteger),
    Column("created_at", Instant, nullable=False),
    Column("edited_at", Instant),
    Column("deleted_at", Instant),
    UniqueConstraint("room_id", "request_key"),
    Index("ix_messages_sender_id", "sender_id"),
    Index("ix_messages_target_id", "target_id"),
    Index("ix_messages_exceptions", "room_id", "no", sqlite_where=_EXCEPTIONS, postgresql_where=_EXCEPTIONS),
)


def _message() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["room_id", "no"], ["messages.room_id", "messages.no"], ondelete="CASCADE")


mentions = Table(
    "mentions",
    metadata,
    # One row for each member who is mentioned by name; a mention of all members is a column of the message.
    Column("room_id", BigInteger, primary_key=True),
    Column("no", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    _message(),
    Index("ix_mentions_user_id_room_id_no", "user_id", "room_id", "no"),
)

reactions = Table(
    "reactions",
    metadata,
    Column("room_id", BigInteger, primary_key=True),
    Column("no", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("emoji", String(64), primary_key=True),
    Column("created_at", Instant, nullable=False),
    _message(),
    Index("ix_reactions_user_id", "user_id"),
)

message_versions = Table(
    "message_versions",
    metadata,
    # What a message said before it was edited or deleted, for moderators.
    Column("room_id", BigInteger, primary_key=True),
    Column("no", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", Text, nullable=False),
    Column("data", Json),
    Column("replaced_at", Instant, nullable=False),
    _message(),
    Index("ix_message_versions_replaced_at", "replaced_at"),
)

message_search = Table(
    "message_search",
    metadata,
    # The tokens of a message that can be found, see search.py. SQLite has an FTS5 table over this one, which triggers
    # keep; PostgreSQL has a GIN index.
    Column("id", BigId, primary_key=True),
    Column("room_id", BigInteger, nullable=False),
    Column("no", BigInteger, nullable=False),
    Column("tokens", Tokens, nullable=False),
    UniqueConstraint("room_id", "no"),
    _message(),
)

hidden_messages = Table(
    "hidden_messages",
    metadata,
    # Messages that a member has deleted for themselves.
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("room_id", BigInteger, primary_key=True),
    Column("no", BigInteger, primary_key=True, autoincrement=False),
    _message(),
    Index("ix_hidden_messages_room_id_no", "room_id", "no"),
)
