"""Conversations and their members. A conversation is a room of the log: its id is the room's key."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from models.sql.types import Instant, metadata

conversations = Table(
    "conversations",
    metadata,
    Column("room_id", ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    # direct, group
    Column("kind", String(8), nullable=False),
    Column("name", String(200)),
    # The row ids of the two users of a direct conversation, the lower one first: there is one conversation per pair.
    Column("pair", String(48)),
    # What new members see: shared (everything), joined (from when they join), invited (from when they were invited).
    Column("history", String(8), nullable=False),
    Column("created_by", ForeignKey("users.id", ondelete="SET NULL")),
    Column("created_at", Instant, nullable=False),
    # The number of the newest message. Messages are numbered without gaps, unlike the events of the room, which also
    # tell of receipts, reactions and members.
    Column("last_no", BigInteger, nullable=False, default=0),
    Column("last_message_at", Instant),
    # Those who are invited do not count.
    Column("member_count", Integer, nullable=False, default=0),
    # Raised with every change of members. Live events carry it, so that a web process that has not heard of a removal
    # yet does not send them to the removed member.
    Column("members_version", BigInteger, nullable=False, default=1),
    UniqueConstraint("tenant_id", "pair"),
    Index("ix_conversations_created_by", "created_by"),
)

members = Table(
    "members",
    metadata,
    Column("room_id", ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    # owner, moderator, member; invited: not a member until they join.
    Column("role", String(10), nullable=False),
    Column("created_at", Instant, nullable=False),
    # Messages and events up to these numbers are not for this member.
    Column("after_no", BigInteger, nullable=False),
    Column("after_seq", BigInteger, nullable=False),
    # Numbers of messages: everything up to them was delivered or read. Others hear of `read_no`, not of `seen_no`.
    Column("delivered_no", BigInteger, nullable=False, default=0),
    Column("read_no", BigInteger, nullable=False, default=0),
    Column("seen_no", BigInteger, nullable=False, default=0),
    # all, mentions, none: which messages are pushed and mailed.
    Column("notify", String(8), nullable=False, default="all"),
    Column("muted_until", Instant),
    # The conversations of one user.
    Index("ix_members_user_id_room_id", "user_id", "room_id"),
)
