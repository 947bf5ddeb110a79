"""Tenants, their quotas and their API keys."""

from sqlalchemy import BigInteger, Column, ForeignKey, SmallInteger, String, Table

from models.sql.types import Instant, metadata

tenants = Table(
    "tenants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(200), nullable=False),
    # The dialect of its Socket.IO clients that name none; None: not set.
    Column("dialect", String(16)),
    # How many times what a tenant of weight 1 gets of a batch, where both have enough to send.
    Column("weight", SmallInteger, nullable=False, default=1),
    Column("created_at", Instant, nullable=False),
)

quotas = Table(
    "quotas",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    # A Quota (models/tenants/quotas.py). Without a row its default holds.
    Column("quota", String(24), primary_key=True),
    Column("number", BigInteger, nullable=False),
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
    # Who made it; None: made before this was recorded.
    Column("created_by", String(264)),
    # At most a minute behind.
    Column("last_used_at", Instant),
    Column("expires_at", Instant),
)
