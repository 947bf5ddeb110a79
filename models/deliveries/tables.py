"""Deliveries and their failed attempts: the queue of record. And which of them were redriven."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)

from models.sql.types import BigId, Instant, metadata

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("notification_id", ForeignKey("notifications.id", ondelete="CASCADE"), nullable=False),
    # The notification's, for the sake of the index by which tenants take turns.
    Column("tenant_id", String(64), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("channel", String(16), nullable=False),
    # addresses.id; 0 where the address is the user's room, or where there was none. No foreign key: a removed address
    # must not remove the record of what was sent to it.
    Column("address_id", BigInteger, nullable=False, default=0),
    Column("action", String(8), nullable=False, default="show"),
    Column("lane", SmallInteger, nullable=False),
    Column("state", String(10), nullable=False),
    # Those that count against the limit of the channel: not those that an outage stopped.
    Column("attempts", SmallInteger, nullable=False, default=0),
    # When the row is due next: the next attempt of a pending one, the end of the lease of one being sent. None
    # exactly when the delivery is settled, which keeps finished rows out of the index.
    Column("due_at", Instant),
    Column("lease", Uuid),
    Column("expires_at", Instant, nullable=False),
    Column("seq", BigInteger),
    Column("failure", String(16)),
    Column("reason", String(500)),
    Column("provider_id", String(255)),
    Column("created_at", Instant, nullable=False),
    Column("sent_at", Instant),
    Column("acked_at", Instant),
    UniqueConstraint("notification_id", "user_id", "channel", "address_id", "action"),
    Index(
        "ix_deliveries_due",
        "channel",
        "lane",
        "tenant_id",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index(
        "ix_deliveries_dead",
        "failure",
        "id",
        sqlite_where=text("state = 'dead'"),
        postgresql_where=text("state = 'dead'"),
    ),
    Index("ix_deliveries_user_id_notification_id", "user_id", "notification_id"),
)

attempts = Table(
    "attempts",
    metadata,
    # Only attempts that failed: the one that succeeded is in the delivery's own row.
    Column("id", BigId, primary_key=True),
    Column("delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False, index=True),
    # From 1, and again from 1 after a redrive. After MAX_KEPT, the newest row is overwritten.
    Column("number", SmallInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("failure", String(16), nullable=False),
    Column("reason", String(500), nullable=False),
)

redrives = Table(
    "redrives",
    metadata,
    Column("tenant_id", String(64), primary_key=True),
    # A redrive, which can consist of many steps.
    Column("id", Uuid, primary_key=True),
    # No foreign key: it would cost a lookup for each delivery that a purge deletes.
    Column("delivery_id", BigInteger, primary_key=True),
    # The purge goes by age.
    Index("ix_redrives_id", "id"),
)
