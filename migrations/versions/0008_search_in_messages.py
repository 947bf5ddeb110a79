"""search in messages"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"

# The FTS5 table has no copy of the tokens: it reads those of message_search. So it has to be told which tokens leave.
SQLITE = (
    """
    CREATE VIRTUAL TABLE message_fts
    USING fts5(tokens, content='message_search', content_rowid='id', tokenize='ascii')
    """,
    """
    CREATE TRIGGER message_search_added AFTER INSERT ON message_search BEGIN
        INSERT INTO message_fts (rowid, tokens) VALUES (new.id, new.tokens);
    END
    """,
    """
    CREATE TRIGGER message_search_removed AFTER DELETE ON message_search BEGIN
        INSERT INTO message_fts (message_fts, rowid, tokens) VALUES ('delete', old.id, old.tokens);
    END
    """,
)


def upgrade() -> None:
    op.create_table(
        "message_search",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("room_id", sa.BigInteger(), nullable=False),
        sa.Column("no", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["room_id", "no"],
            ["messages.room_id", "messages.no"],
            name=op.f("fk_message_search_room_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_search")),
        sa.UniqueConstraint("room_id", "no", name=op.f("uq_message_search_room_id_no")),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("ix_message_search_tokens", "message_search", ["tokens"], postgresql_using="gin")
    else:
        for statement in SQLITE:
            op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE message_fts")
    op.drop_table("message_search")
