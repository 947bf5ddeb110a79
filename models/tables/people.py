"""Tenants, the keys of their services, their users, and the addresses users can be reached at."""

from sqlalchemy import Column, ForeignKey, Index, SmallInteger, String, Table, UniqueConstraint, text

from models.tables.base import BigId, Instant, metadata

tenants = Table(
    "tenants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    # What its Socket.IO clients speak that name no dialect; None: nobody has chosen.
    Column("dialect", String(16)),
    # How many times what a tenant of weight 1 gets of a batch, where both have enough to send.
    Column("weight", SmallInteger, nullable=False, default=1),
    Column("created_at", Instant, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    # The prefix is public and finds the row; the key itself is kept only as its SHA-256.
    Column("prefix", String(24), primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("sha256", String(64), nullable=False),
    Column("mode", String(4), nullable=False),
    Column("name", String(200), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

users = Table(
    "users",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("external_id", String(128), nullable=False),
    Column("locale", String(35)),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("tenant_id", "external_id"),
    # The audience "the whole tenant" is paged by this.
    Index("ix_users_tenant_id_id", "tenant_id", "id"),
)

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
    # A device has one user, in whichever tenant.
    Index("uq_addresses_device", "value", unique=True, sqlite_where=DEVICE, postgresql_where=DEVICE),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    Column("topic", String(128), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("created_at", Instant, nullable=False),
)

# Topics on whose lists users may put themselves; the others are filled by services alone.
open_topics = Table(
    "open_topics",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    Column("topic", String(128), primary_key=True),
    Column("created_at", Instant, nullable=False),
)
