"""Notifications and their deliveries: the queue of record."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from models.tables.base import BigId, Instant, Json, metadata

notifications = Table(
    "notifications",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("mode", String(4), nullable=False),
    Column("idempotency_key", String(260)),
    Column("body_sha256", String(64), nullable=False),
    Column("audience", Json, nullable=False),
    Column("channels", Json),
    Column("title", String(200), nullable=False),
    Column("message", Text, nullable=False),
    Column("data", Json, nullable=False),
    Column("level", String(8), nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("category", String(64)),
    Column("type", String(64), nullable=False),
    Column("collapse_key", String(64)),
    Column("reference", String(255)),
    Column("url", String(2048)),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    # accepted -> expanded, and from either -> recalling -> recalled
    Column("state", String(10), nullable=False),
    # Where the next page of the audience begins: a position in the list or a users.id, as the audience is.
    Column("cursor", BigInteger, nullable=False, default=0),
    Column("recipients", Integer, nullable=False, default=0),
    # When the relay should ring for the next page; None: there is nothing left to do.
    Column("due_at", Instant),
    UniqueConstraint("tenant_id", "mode", "idempotency_key"),
    Index(
        "ix_notifications_due_at",
        "due_at",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index("ix_notifications_tenant_id_reference", "tenant_id", "reference"),
    # The list of a tenant's notifications, newest first, is paged by this.
    Index("ix_notifications_tenant_id_mode_id", "tenant_id", "mode", "id"),
    Index("ix_notifications_expires_at", "expires_at"),
)

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
    Column("attempts", SmallInteger, nullable=False, default=0),
    # When somebody should look next: the next attempt of a pending row, the end of the lease of one being sent. None
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
    # Only attempts that failed: a delivery's own row tells the one that succeeded.
    Column("id", BigId, primary_key=True),
    Column("delivery_id", ForeignKey("deliveries.id", ondelete="CASCADE"), nullable=False, index=True),
    # Counts the claims since the last redrive; an attempt that met bad credentials has the number of the next one.
    Column("number", SmallInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("failure", String(16), nullable=False),
    Column("reason", String(500), nullable=False),
)
