"""Topics and their subscribers."""

from sqlalchemy import Column, ForeignKey, String, Table

from models.sql.types import Instant, metadata

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
