"""conversations and messages"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from models.sql.types import Instant

revision = "0007"
down_revision = "0006"

BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Json = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
MARKED = sa.text("mark IS NOT NULL")
EXCEPTIONS = sa.text("target_id IS NOT NULL OR deleted_at IS NOT NULL OR mentions_all")


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("room_id", BigId, autoincrement=False, nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=True),
        sa.Column("pair", sa.String(length=48), nullable=True),
        sa.Column("history", sa.String(length=8), nullable=False),
        sa.Column("created_by", BigId, nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("last_no", sa.BigInteger(), nullable=False),
        sa.Column("last_message_at", Instant(), nullable=True),
        sa.Column("member_count", sa.Integer(), nullable=False),
        sa.Column("members_version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_conversations_created_by"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_conversations_room_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_conversations_tenant_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("room_id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("tenant_id", "pair", name=op.f("uq_conversations_tenant_id_pair")),
    )
    op.create_index("ix_conversations_created_by", "conversations", ["created_by"])
    op.create_table(
        "members",
        sa.Column("room_id", BigId, nullable=False),
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=10), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("after_no", sa.BigInteger(), nullable=False),
        sa.Column("after_seq", sa.BigInteger(), nullable=False),
        sa.Column("delivered_no", sa.BigInteger(), nullable=False),
        sa.Column("read_no", sa.BigInteger(), nullable=False),
        sa.Column("seen_no", sa.BigInteger(), nullable=False),
        sa.Column("notify", sa.String(length=8), nullable=False),
        sa.Column("muted_until", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_members_room_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_members_tenant_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_members_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("room_id", "user_id", name=op.f("pk_members")),
    )
    op.create_index("ix_members_user_id_room_id", "members", ["user_id", "room_id"])
    op.create_table(
        "messages",
        sa.Column("room_id", BigId, nullable=False),
        sa.Column("no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("sender_id", BigId, nullable=True),
        sa.Column("target_id", BigId, nullable=True),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("data", Json, nullable=True),
        sa.Column("reply_to", sa.BigInteger(), nullable=True),
        sa.Column("mentions_all", sa.Boolean(), nullable=False),
        sa.Column("request_key", sa.String(length=160), nullable=True),
        sa.Column("request_sha256", sa.String(length=64), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("edit_seq", sa.BigInteger(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("edited_at", Instant(), nullable=True),
        sa.Column("deleted_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=op.f("fk_messages_room_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sender_id"], ["users.id"], name=op.f("fk_messages_sender_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["target_id"], ["users.id"], name=op.f("fk_messages_target_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f("fk_messages_tenant_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("room_id", "no", name=op.f("pk_messages")),
        sa.UniqueConstraint("id", name=op.f("uq_messages_id")),
        sa.UniqueConstraint("room_id", "request_key", name=op.f("uq_messages_room_id_request_key")),
    )
    op.create_index(
        "ix_messages_exceptions", "messages", ["room_id", "no"], sqlite_where=EXCEPTIONS, postgresql_where=EXCEPTIONS
    )
    op.create_index("ix_messages_sender_id", "messages", ["sender_id"])
    op.create_index("ix_messages_target_id", "messages", ["target_id"])
    op.create_table(
        "hidden_messages",
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("room_id", sa.BigInteger(), nullable=False),
        sa.Column("no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["room_id", "no"],
            ["messages.room_id", "messages.no"],
            name=op.f("fk_hidden_messages_room_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_hidden_messages_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "room_id", "no", name=op.f("pk_hidden_messages")),
    )
    op.create_index("ix_hidden_messages_room_id_no", "hidden_messages", ["room_id", "no"])
    op.create_table(
        "mentions",
        sa.Column("room_id", sa.BigInteger(), nullable=False),
        sa.Column("no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", BigId, nullable=False),
        sa.ForeignKeyConstraint(
            ["room_id", "no"], ["messages.room_id", "messages.no"], name=op.f("fk_mentions_room_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_mentions_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("room_id", "no", "user_id", name=op.f("pk_mentions")),
    )
    op.create_index("ix_mentions_user_id_room_id_no", "mentions", ["user_id", "room_id", "no"])
    op.create_table(
        "message_versions",
        sa.Column("room_id", sa.BigInteger(), nullable=False),
        sa.Column("no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("data", Json, nullable=True),
        sa.Column("replaced_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["room_id", "no"],
            ["messages.room_id", "messages.no"],
            name=op.f("fk_message_versions_room_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("room_id", "no", "version", name=op.f("pk_message_versions")),
    )
    op.create_index("ix_message_versions_replaced_at", "message_versions", ["replaced_at"])
    op.create_table(
        "reactions",
        sa.Column("room_id", sa.BigInteger(), nullable=False),
        sa.Column("no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", BigId, nullable=False),
        sa.Column("emoji", sa.String(length=64), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["room_id", "no"],
            ["messages.room_id", "messages.no"],
            name=op.f("fk_reactions_room_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_reactions_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("room_id", "no", "user_id", "emoji", name=op.f("pk_reactions")),
    )
    op.create_index("ix_reactions_user_id", "reactions", ["user_id"])
    op.add_column("events", sa.Column("audience", Json, nullable=True))
    op.add_column("events", sa.Column("mark", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_events_mark", "events", ["mark", "room_id", "seq"], sqlite_where=MARKED, postgresql_where=MARKED
    )
    op.create_index(
        "ix_events_room_id_mark", "events", ["room_id", "mark", "seq"], sqlite_where=MARKED, postgresql_where=MARKED
    )
    op.add_column("rooms", sa.Column("mark", sa.BigInteger(), nullable=True))
    op.add_column("rooms", sa.Column("purged_mark", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("rooms", "purged_mark")
    op.drop_column("rooms", "mark")
    op.drop_index("ix_events_room_id_mark", "events")
    op.drop_index("ix_events_mark", "events")
    op.drop_column("events", "mark")
    op.drop_column("events", "audience")

    op.drop_table("reactions")
    op.drop_table("message_versions")
    op.drop_table("mentions")
    op.drop_table("hidden_messages")
    op.drop_table("messages")
    op.drop_table("members")
    op.drop_table("conversations")
