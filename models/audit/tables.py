"""The audit log. A trigger refuses every UPDATE."""

from sqlalchemy import Column, Index, String, Table, Uuid

from models.sql.types import Instant, Json, metadata

audit_log = Table(
    "audit_log",
    metadata,
    # "*" for what concerns the whole installation. No foreign key: a record outlives its tenant.
    Column("tenant_id", String(64), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor_kind", String(8), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("action", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("details", Json, nullable=False),
    Column("ip", String(45)),
    Column("request_id", String(64)),
    # Operators of every tenant page through all records, and the purge goes by age.
    Index("ix_audit_log_id", "id"),
)
