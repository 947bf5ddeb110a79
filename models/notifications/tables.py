"""Notifications: what was asked for, and how far its expansion has come."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from models.sql.types import Instant, Json, metadata

notifications = Table(
    "notifications",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("mode", String(4), nullable=False),
    Column("idempotency_key", String(260)),
    Column("body_sha256", String(64), nullable=False),
    Column("audience", Json, nullable=False),
    Column("channels", Json),
    Column("title", String(200), nullable=False),
    Column("message", Text, nullable=False),
    Column("data", Json, nullable=False),
    Column("level", String(8), nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("category", String(64)),
    Column("type", String(64), nullable=False),
    Column("collapse_key", String(64)),
    Column("reference", String(255)),
    Column("url", String(2048)),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    # accepted -> expanded, and from either -> recalling -> recalled
    Column("state", String(10), nullable=False),
    # Where the next page of the audience begins: a position in the list or a users.id, as the audience is.
    Column("cursor", BigInteger, nullable=False, default=0),
    Column("recipients", Integer, nullable=False, default=0),
    # When the relay should ring for the next page; None: there is nothing left to do.
    Column("due_at", Instant),
    UniqueConstraint("tenant_id", "mode", "idempotency_key"),
    Index(
        "ix_notifications_due_at",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index("ix_notifications_tenant_id_reference", "tenant_id", "reference"),
    # The list of a tenant's notifications, newest first, is paged by this.
    Index("ix_notifications_tenant_id_mode_id", "tenant_id", "mode", "id"),
    Index("ix_notifications_expires_at", "expires_at"),
)
