"""What tenants declare and what they have heard: types of events, and the events acknowledged by polling."""

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table

from models.tables.base import Instant, Json, metadata

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

event_acks = Table(
    "event_acks",
    metadata,
    # One row for a user and a room, however many events there are: everything up to `floor` is acknowledged or gone,
    # and of what follows the numbers in `beyond`.
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("room_id", ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("floor", BigInteger, nullable=False),
    Column("beyond", Json, nullable=False),
)
