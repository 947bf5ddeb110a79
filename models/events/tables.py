"""The event log: what clients are sent, numbered without gaps in each room."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, SmallInteger, String, Table, Uuid, text

from models.lanes import Lane
from models.sql.types import BigId, Instant, Json, metadata

_MARKED = text("mark IS NOT NULL")

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
    # The users of a conversation whom the event is for; for all others its number is skipped. None: all members.
    Column("audience", Json),
    # In conversations: the order in which transactions began to write, see commit_order.py. It lets a cursor say "all
    # conversations up to here" without naming each.
    Column("mark", BigInteger),
    Index("ix_events_expires_at", "expires_at"),
    Index("ix_events_room_id_mark", "room_id", "mark", "seq", sqlite_where=_MARKED, postgresql_where=_MARKED),
    Index("ix_events_mark", "mark", "room_id", "seq", sqlite_where=_MARKED, postgresql_where=_MARKED),
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
    # A row each. "bus_key": see bus_key.py. "clock": see models/set_back.py. "mark": see commit_order.py. "epoch": the
    # incarnation of the log. A restored backup needs a new one, or clients would wait for numbers that were given out
    # before. "timeline": see timeline.py.
    Column("name", String(32), primary_key=True),
    Column("value", String(64), nullable=False),
)
