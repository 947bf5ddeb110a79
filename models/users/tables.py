"""Users of a tenant."""

from sqlalchemy import Column, ForeignKey, Index, String, Table, UniqueConstraint

from models.sql.types import BigId, Instant, metadata

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
