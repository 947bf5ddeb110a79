"""What people keep: the inbox of each user, and the alerts of each tenant."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, String, Table, Text, UniqueConstraint, Uuid, text

from models.tables.base import Instant, Json, metadata

_SHOWN = text("archived_at IS NULL AND deleted_at IS NULL")
_UNACKNOWLEDGED = text("acknowledged_at IS NULL AND deleted_at IS NULL")

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

alerts = Table(
    "alerts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("idempotency_key", String(255)),
    Column("body_sha256", String(64), nullable=False),
    Column("title", String(200), nullable=False),
    Column("message", Text, nullable=False),
    Column("level", String(8), nullable=False),
    Column("type", String(64), nullable=False),
    Column("data", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", String(128)),
    Column("deleted_at", Instant),
    UniqueConstraint("tenant_id", "idempotency_key"),
    Index("ix_alerts_tenant_id_id", "tenant_id", "id"),
    Index(
        "ix_alerts_unacknowledged",
        "tenant_id",
        "expires_at",
        sqlite_where=_UNACKNOWLEDGED,
        postgresql_where=_UNACKNOWLEDGED,
    ),
    Index("ix_alerts_created_at", "created_at"),
)
