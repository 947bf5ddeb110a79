"""What is known of each file. The bytes are in a storage (storage/), under a key that is made of tenant and id."""

from sqlalchemy import BigInteger, Column, ForeignKey, ForeignKeyConstraint, Index, String, Table, Uuid, text

from models.sql.types import Instant, metadata

_PREVIEW_DUE = text("preview = 'due'")

attachments = Table(
    "attachments",
    metadata,
    Column("id", Uuid, primary_key=True),
    # No foreign key: the row stays until its file is deleted, when the tenant is gone too.
    Column("tenant_id", String(64), nullable=False),
    # None: the conversation is gone, or the message, and the file has to go.
    Column("room_id", ForeignKey("rooms.id", ondelete="SET NULL")),
    # The message that it was sent with; None: it was not sent yet.
    Column("no", BigInteger),
    # None: the user was deleted.
    Column("uploader_id", ForeignKey("users.id", ondelete="SET NULL")),
    Column("name", String(255), nullable=False),
    Column("size", BigInteger, nullable=False),
    # As the sender says. The file is never given out as this.
    Column("type", String(127), nullable=False),
    Column("sha256", String(64), nullable=False),
    # pending: a ticket, the file is not there yet. ready. deleted: the file is being deleted, then the row.
    Column("state", String(8), nullable=False),
    # due, made. None: there is none.
    Column("preview", String(4)),
    Column("created_at", Instant, nullable=False),
    # When the file is to be deleted. None: it was sent, and stays as long as the message.
    Column("remove_at", Instant),
    ForeignKeyConstraint(
        ["room_id", "no"],
        ["messages.room_id", "messages.no"],
        name="fk_attachments_room_id_no",
        ondelete="SET NULL",
    ),
    Index("ix_attachments_room_id_no", "room_id", "no"),
    # What a user has not sent yet.
    Index("ix_attachments_uploader_id_no", "uploader_id", "no"),
    Index("ix_attachments_remove_at", "remove_at"),
    # The bytes of a tenant, without the rows.
    Index("ix_attachments_tenant_id_size", "tenant_id", "size"),
    Index("ix_attachments_preview_due", "id", sqlite_where=_PREVIEW_DUE, postgresql_where=_PREVIEW_DUE),
)
