"""attachments"""

import sqlalchemy as sa
from alembic import op

from models.sql.types import Instant

revision = "0009"
down_revision = "0008"

BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PREVIEW_DUE = sa.text("preview = 'due'")


def upgrade() -> None:
    op.create_table(
        "attachments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("room_id", BigId, nullable=True),
        sa.Column("no", sa.BigInteger(), nullable=True),
        sa.Column("uploader_id", BigId, nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=127), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("preview", sa.String(length=4), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("remove_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["room_id", "no"],
            ["messages.room_id", "messages.no"],
            name=op.f("fk_attachments_room_id_no"),
            ondelete="SET NULL",
        ),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_attachments_room_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["uploader_id"], ["users.id"], name=op.f("fk_attachments_uploader_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
    )
    op.create_index("ix_attachments_room_id_no", "attachments", ["room_id", "no"])
    op.create_index("ix_attachments_uploader_id_no", "attachments", ["uploader_id", "no"])
    op.create_index("ix_attachments_remove_at", "attachments", ["remove_at"])
    op.create_index("ix_attachments_tenant_id_size", "attachments", ["tenant_id", "size"])
    op.create_index(
        "ix_attachments_preview_due", "attachments", ["id"], sqlite_where=PREVIEW_DUE, postgresql_where=PREVIEW_DUE
    )


def downgrade() -> None:
    op.drop_table("attachments")
