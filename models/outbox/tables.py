"""The outbox: services insert, the server takes in. docs/services.md documents it for every language."""

from sqlalchemy import Column, FetchedValue, Index, SmallInteger, String, Table, Uuid, text

from models.sql.types import Instant, Json, metadata

_DUE = text("due_at IS NOT NULL")
_REJECTED = text("rejected_at IS NOT NULL")

carillon_outbox = Table(
    "carillon_outbox",
    metadata,
    # A UUIDv7. It becomes the id of what is made of the row. Has a default on both databases (migration 0002), and so
    # have all columns below that a service leaves out.
    Column("id", Uuid, primary_key=True, server_default=FetchedValue()),
    # No foreign key: an unknown tenant must not abort the transaction of the service. Such a row is rejected.
    Column("tenant_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("body", Json, nullable=False),
    Column("idempotency_key", String(255)),
    Column("created_at", Instant, nullable=False, server_default=FetchedValue()),
    # When to look at the row; None once it is rejected.
    Column("due_at", Instant, server_default=FetchedValue()),
    Column("attempts", SmallInteger, nullable=False, server_default=FetchedValue()),
    # Why it cannot be accepted: a problem document.
    Column("problem", Json),
    Column("rejected_at", Instant),
    Index("ix_carillon_outbox_due_at", "due_at", sqlite_where=_DUE, postgresql_where=_DUE),
    Index("ix_carillon_outbox_rejected", "tenant_id", "id", sqlite_where=_REJECTED, postgresql_where=_REJECTED),
)
