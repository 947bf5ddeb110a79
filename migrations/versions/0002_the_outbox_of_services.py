"""the outbox of services"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

# RFC 9562, 5.7: 48 bits of Unix milliseconds, then random bits with the version and the variant put in.
_UUID7_POSTGRESQL = """
CREATE FUNCTION carillon_uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT encode(
    set_bit(
      set_bit(
        overlay(
          uuid_send(gen_random_uuid())
          PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
          FROM 1 FOR 6
        ),
        52, 1
      ),
      53, 1
    ),
    'hex'
  )::uuid
$$
"""
_UUID7_SQLITE = """(lower(
  printf('%012x', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
  || '7' || substr(hex(randomblob(2)), 2)
  || substr('89ab', 1 + (abs(random()) % 4), 1) || substr(hex(randomblob(2)), 2)
  || hex(randomblob(6))
))"""
# The form in which SQLAlchemy stores a moment: six digits after the point.
_NOW_SQLITE = "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')"

_NOTIFY = """
CREATE FUNCTION carillon_outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('carillon_outbox', '');
  RETURN NULL;
END
$$
"""
_TRIGGER = """
CREATE TRIGGER carillon_outbox_inserted AFTER INSERT ON carillon_outbox
FOR EACH STATEMENT EXECUTE FUNCTION carillon_outbox_notify()
"""


def upgrade() -> None:
    postgres = op.get_bind().dialect.name == "postgresql"
    if postgres:
        op.execute(_UUID7_POSTGRESQL)
    new_id = sa.text("carillon_uuid7()" if postgres else _UUID7_SQLITE)
    now = sa.text("clock_timestamp()" if postgres else _NOW_SQLITE)
    # At once, whatever the clocks of the database and of the workers say.
    at_once = sa.text("'1970-01-01 00:00:00+00'" if postgres else "'1970-01-01 00:00:00.000000'")
    op.create_table(
        "carillon_outbox",
        sa.Column("id", sa.Uuid(), server_default=new_id, nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("body", JSON, nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=now, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=at_once, nullable=True),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("problem", JSON, nullable=True),
        sa.Column("rejected_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_carillon_outbox")),
    )
    due, rejected = sa.text("due_at IS NOT NULL"), sa.text("rejected_at IS NOT NULL")
    op.create_index(
        "ix_carillon_outbox_due_at", "carillon_outbox", ["due_at"], sqlite_where=due, postgresql_where=due
    )
    op.create_index(
        "ix_carillon_outbox_rejected",
        "carillon_outbox",
        ["tenant_id", "id"],
        sqlite_where=rejected,
        postgresql_where=rejected,
    )
    if postgres:
        op.execute(_NOTIFY)
        op.execute(_TRIGGER)


def downgrade() -> None:
    op.drop_table("carillon_outbox")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION carillon_outbox_notify()")
        op.execute("DROP FUNCTION carillon_uuid7()")
