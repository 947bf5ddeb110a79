"""The alerts of each tenant."""

from sqlalchemy import Column, ForeignKey, Index, String, Table, Text, UniqueConstraint, Uuid, text

from models.sql.types import Instant, Json, metadata

_UNACKNOWLEDGED = text("acknowledged_at IS NULL AND deleted_at IS NULL")

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
    # The service's own id, as a text; `data` has it as it was given.
    Column("own_id", String(255)),
    UniqueConstraint("tenant_id", "idempotency_key"),
    Index("ix_alerts_tenant_id_id", "tenant_id", "id"),
    Index(
        "ix_alerts_unacknowledged",
        "tenant_id",
        "expires_at",
        sqlite_where=_UNACKNOWLEDGED,
        postgresql_where=_UNACKNOWLEDGED,
    ),
    Index("ix_alerts_tenant_id_own_id", "tenant_id", "own_id"),
    Index("ix_alerts_created_at", "created_at"),
)
