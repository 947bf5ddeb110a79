"""Addresses of users outside of our own pages: devices and mailboxes."""

from sqlalchemy import Column, ForeignKey, Index, String, Table, text

from models.sql.types import BigId, Instant, metadata

MAILBOX = text("channel = 'email'")

DEVICE = text("channel = 'push'")

addresses = Table(
    "addresses",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("tenant_id", String(64), nullable=False),
    Column("channel", String(16), nullable=False),
    # For push: "token" or "fid"; empty where a channel has one kind only.
    Column("kind", String(16), nullable=False, default=""),
    # PostgreSQL indexes up to 2,704 bytes. FCM's tokens have some 160, without a bound that Google would name.
    Column("value", String(1024), nullable=False),
    Column("platform", String(16)),
    Column("created_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    Column("disabled_reason", String(500)),
    Index("ix_addresses_user_id_channel", "user_id", "channel"),
    # A user has one mailbox.
    Index("uq_addresses_mailbox", "user_id", unique=True, sqlite_where=MAILBOX, postgresql_where=MAILBOX),
    # A device has one user. To be replaced by an index on tenant and value, so that each tenant has it for itself; the
    # version before still names this one (ADR 31).
    Index("uq_addresses_device", "value", unique=True, sqlite_where=DEVICE, postgresql_where=DEVICE),
)
