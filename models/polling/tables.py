"""The events that users have acknowledged by polling."""

from sqlalchemy import BigInteger, Column, ForeignKey, Table

from models.sql.types import Json, metadata

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
