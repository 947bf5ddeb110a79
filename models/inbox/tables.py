"""The inbox of each user."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table, text

from models.sql.types import Instant, metadata

_SHOWN = text("archived_at IS NULL AND deleted_at IS NULL")

inbox = Table(
    "inbox",
    metadata,
    # Ordered by notification_id, which sorts by time.
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("notification_id", ForeignKey("notifications.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("category", String(64)),
    Column("expires_at", Instant, nullable=False),
    Column("seen_at", Instant),
    Column("read_at", Instant),
    Column("archived_at", Instant),
    Column("deleted_at", Instant),
    # What the inbox shows, in its order. The counts on the bell are asked for after every change, and come out of this
    # index alone: the rows themselves lie wherever the pages of many notifications put them, one to a block.
    Index(
        "ix_inbox_shown",
        "user_id",
        "notification_id",
        "expires_at",
        "read_at",
        "seen_at",
        sqlite_where=_SHOWN,
        postgresql_where=_SHOWN,
    ),
    Index("ix_inbox_notification_id", "notification_id"),
)
