"""The event types that tenants declare."""

from sqlalchemy import Column, ForeignKey, String, Table

from models.sql.types import Instant, Json, metadata

event_types = Table(
    "event_types",
    metadata,
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(64), primary_key=True),
    # A models.catalogue.event_type.Declaration.
    Column("declaration", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)
