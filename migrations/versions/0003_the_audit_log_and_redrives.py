"""the audit log and redrives; maker, last use and expiry of API keys"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

_REFUSE_POSTGRESQL = """
CREATE FUNCTION carillon_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'rows of audit_log are never changed';
END
$$
"""
_TRIGGER_POSTGRESQL = """
CREATE TRIGGER carillon_audit_append_only BEFORE UPDATE ON audit_log
FOR EACH ROW EXECUTE FUNCTION carillon_audit_append_only()
"""
_TRIGGER_SQLITE = """
CREATE TRIGGER carillon_audit_append_only BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'rows of audit_log are never changed'); END
"""


def upgrade() -> None:
    op.create_table(
        "audit_log",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.String(length=8), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("details", JSON, nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=True),
        sa.Column("request_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_id", "audit_log", ["id"])
    op.create_table(
        "redrives",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", "delivery_id", name=op.f("pk_redrives")),
    )
    op.create_index("ix_redrives_id", "redrives", ["id"])
    op.add_column("api_keys", sa.Column("created_by", sa.String(length=264), nullable=True))
    op.add_column("api_keys", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("api_keys", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_REFUSE_POSTGRESQL)
        op.execute(_TRIGGER_POSTGRESQL)
    else:
        op.execute(_TRIGGER_SQLITE)


def downgrade() -> None:
    with op.batch_alter_table("api_keys") as api_keys:
        for name in ("created_by", "last_used_at", "expires_at"):
            api_keys.drop_column(name)
    op.drop_table("redrives")
    op.drop_table("audit_log")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION carillon_audit_append_only()")
