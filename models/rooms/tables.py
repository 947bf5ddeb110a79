"""Rooms: the unit of ordering in the event log."""

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table, UniqueConstraint

from models.sql.types import BigId, metadata

rooms = Table(
    "rooms",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("tenant_id", ForeignKey("tenants.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("key", String(128), nullable=False),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), unique=True),
    # The seq of the newest event. The transaction that raises it locks the row until it commits, so the order of
    # numbers is the order of commits, and a reader never sees n+1 before n.
    Column("head", BigInteger, nullable=False, default=0),
    # Events up to and including this seq have been purged.
    Column("purged", BigInteger, nullable=False, default=0),
    # In conversations: the mark of the newest event (models/events/commit_order.py), and the highest mark of those that
    # have been purged.
    Column("mark", BigInteger),
    Column("purged_mark", BigInteger),
    UniqueConstraint("tenant_id", "kind", "key"),
    # Every event gives its room a new version, which fits on the same page as the old one and so needs no index
    # entries.
    postgresql_with={"fillfactor": 50},
)
