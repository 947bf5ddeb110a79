"""The event log: what clients hear of, numbered without gaps in each room."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, SmallInteger, String, Table, UniqueConstraint, Uuid

from models.content import Lane
from models.tables.base import BigId, Instant, Json, metadata

rooms = Table(
    "rooms",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("key", String(128), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), unique=True),
    # The seq of the newest event. Whoever raises it holds the row's lock until the event is committed, so the order of
    # numbers is the order of commits, and a reader never sees n+1 before n.
    Column("head", BigInteger, nullable=False, default=0),
    # Events up to and including this seq have been purged.
    Column("purged", BigInteger, nullable=False, default=0),
    UniqueConstraint("tenant_id", "kind", "key"),
    # Every event gives its room a new version, which finds place beside the old one and so needs no index entries.
    postgresql_with={"fillfactor": 50},
)

events = Table(
    "events",
    metadata,
    Column("room_id", ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("type", String(64), nullable=False),
    # A notification's content is stored once, with the notification; its events only point there.
    Column("notification_id", Uuid),
    Column("data", Json),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_events_expires_at", "expires_at"),
)

outbox = Table(
    "outbox",
    metadata,
    # Events that have yet to be published to open connections. Written with the event, deleted once Redis has it; a
    # notification's events are not here, for their delivery rows do the same duty.
    Column("id", BigId, primary_key=True),
    Column("room_id", ForeignKey("rooms.id", ondelete="CASCADE"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("lane", SmallInteger, nullable=False, default=int(Lane.normal)),
    Column("due_at", Instant, nullable=False, index=True),
    # The order in which they are taken.
    Index("ix_outbox_lane_id", "lane", "id"),
)

staged_events = Table(
    "staged_events",
    metadata,
    # What a burst of updates of one thing amounts to so far; it becomes an event, with a number, when its window ends.
    Column("room_id", ForeignKey("rooms.id", ondelete="CASCADE"), primary_key=True),
    Column("type", String(64), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("lane", SmallInteger, nullable=False, default=int(Lane.normal)),
    Column("data", Json, nullable=False),
    Column("due_at", Instant, nullable=False, index=True),
    Column("expires_at", Instant, nullable=False),
)

meta = Table(
    "meta",
    metadata,
    # One row, "epoch": the incarnation of the log. A restored backup needs a new one, or clients would wait for numbers
    # that were given out before.
    Column("name", String(32), primary_key=True),
    Column("value", String(64), nullable=False),
)
