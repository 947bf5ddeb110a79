"""What becomes of an attachment: announced, uploaded, sent, deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import Connection, and_, delete, func, insert, or_, select, update

from models.attachments.tables import attachments
from models.messages.tables import messages
from models.rooms.tables import rooms

State = Literal["pending", "ready", "deleted"]

# How long a file is kept that is not sent.
UNSENT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class NewAttachment:
    """What a member announces of a file. `sha256` is in hexadecimal digits."""

    name: str
    size: int
    type: str
    sha256: str


class Attachment(NamedTuple):
    """A row of `attachments`."""

    id: UUID
    tenant_id: str
    room_id: int | None
    no: int | None
    uploader_id: int | None
    name: str
    size: int
    type: str
    sha256: str
    state: State
    preview: Literal["due", "made"] | None
    created_at: datetime
    remove_at: datetime | None

    @property
    def described(self) -> dict[str, Any]:
        """What its message says of it."""
        return {"id": str(self.id), "name": self.name, "size": self.size, "type": self.type}

    @property
    def key(self) -> str:
        """The name of its file in the storage."""
        return f"{self.tenant_id}/{self.id}"

    @property
    def preview_key(self) -> str:
        """The name of its preview in the storage."""
        return f"{self.key}.preview"


class NotAttachable(Exception):
    """Some of the ids are not of files that the sender has uploaded to this conversation and has not sent yet."""

    def __init__(self, ids: Iterable[UUID]) -> None:
        self.ids = [*ids]
        super().__init__(", ".join(map(str, self.ids)))


_COLUMNS = tuple(attachments.c[name] for name in Attachment._fields)


def id_of(key: str) -> UUID:
    """The id of the attachment whose file or preview has this key."""
    return UUID(key.partition("/")[2].removesuffix(".preview"))


def create(
    connection: Connection, tenant_id: str, room_id: int, uploader_id: int, new: NewAttachment, now: datetime
) -> Attachment:
    """Note a file that is going to be uploaded to a conversation, by its row id."""
    values = {"id": uuid_utils.compat.uuid7(), "state": "pending", "created_at": now, "remove_at": now + UNSENT}
    place = {"tenant_id": tenant_id, "room_id": room_id, "uploader_id": uploader_id}
    made = insert(attachments).values(**values, **place, **asdict(new)).returning(*_COLUMNS)
    return Attachment._make(connection.execute(made).one())


def count_unsent(connection: Connection, user_id: int) -> int:
    """How many files the user has announced or uploaded, and not sent."""
    mine = (attachments.c.uploader_id == user_id, attachments.c.no.is_(None), attachments.c.state != "deleted")
    return connection.execute(select(func.count()).select_from(attachments).where(*mine)).scalar_one()


def stored_bytes(connection: Connection, tenant_id: str) -> int:
    """The bytes of all files of the tenant, those included that are announced."""
    total = select(func.coalesce(func.sum(attachments.c.size), 0)).where(attachments.c.tenant_id == tenant_id)
    return int(connection.execute(total).scalar_one())


def find(connection: Connection, tenant_id: str, attachment_id: UUID) -> tuple[Attachment, str] | None:
    """The attachment and the id of its conversation, whoever may see it. None if it is gone."""
    this = (attachments.c.id == attachment_id, attachments.c.tenant_id == tenant_id, attachments.c.state != "deleted")
    query = select(*_COLUMNS, rooms.c.key).join(rooms, rooms.c.id == attachments.c.room_id).where(*this)
    row = connection.execute(query).one_or_none()
    return (Attachment._make(row[:-1]), row.key) if row is not None else None


def uploaded(connection: Connection, room_id: int, ids: Sequence[UUID], sender_id: int) -> list[Attachment]:
    """Those of these files that the sender has uploaded to the conversation, sent or not, in the order of the ids."""
    own = (attachments.c.id.in_(ids), attachments.c.room_id == room_id, attachments.c.uploader_id == sender_id)
    rows = connection.execute(select(*_COLUMNS).where(*own, attachments.c.state == "ready"))
    found = {row.id: Attachment._make(row) for row in rows}
    return [found[one] for one in ids if one in found]


def complete(connection: Connection, attachment_id: UUID, *, picture: bool, now: datetime) -> Attachment | None:
    """The file is there. `picture`: it gets a preview. Once it is ready, nothing changes. None if it is gone."""
    this = attachments.c.id == attachment_id
    change = update(attachments).where(this, attachments.c.state == "pending")
    connection.execute(change.values(state="ready", preview="due" if picture else None, remove_at=now + UNSENT))
    row = connection.execute(select(*_COLUMNS).where(this, attachments.c.state == "ready")).one_or_none()
    return Attachment._make(row) if row is not None else None


def attach(connection: Connection, room_id: int, no: int, ids: Sequence[UUID], sender_id: int) -> None:
    """Give these files to a message that exists, in the transaction that sends it. Raises NotAttachable."""
    own = (
        attachments.c.id.in_(ids),
        attachments.c.room_id == room_id,
        attachments.c.uploader_id == sender_id,
        attachments.c.state == "ready",
        attachments.c.no.is_(None),
    )
    given = update(attachments).where(*own).values(no=no, remove_at=None).returning(attachments.c.id)
    missing = set(ids) - set(connection.execute(given).scalars())
    if missing:
        raise NotAttachable(one for one in ids if one in missing)


def detach(connection: Connection, room_id: int, no: int, now: datetime) -> None:
    """A message was deleted for everyone: its files go."""
    its = (attachments.c.room_id == room_id, attachments.c.no == no)
    connection.execute(update(attachments).where(*its).values(remove_at=now))


def forget_user(connection: Connection, user_id: int, now: datetime) -> None:
    """A user is being deleted: what they have not sent goes, and what was private to them."""
    private = select(messages.c.no).where(
        messages.c.target_id == user_id, messages.c.room_id == attachments.c.room_id, messages.c.no == attachments.c.no
    )
    # By the rooms first, for which there is an index.
    theirs = attachments.c.room_id.in_(select(messages.c.room_id).where(messages.c.target_id == user_id))
    unsent = and_(attachments.c.uploader_id == user_id, attachments.c.no.is_(None))
    for which in (unsent, and_(theirs, private.exists())):
        connection.execute(update(attachments).where(which).values(remove_at=now))


def begin_removal(connection: Connection, now: datetime, limit: int) -> list[Attachment]:
    """Those whose files are to be deleted. From here on they cannot be sent or fetched."""
    gone = or_(attachments.c.remove_at <= now, attachments.c.room_id.is_(None))
    some = select(attachments.c.id).where(gone).order_by(attachments.c.remove_at).limit(limit)
    # The condition again, for rows that were changed while this waited for them.
    marked = update(attachments).where(attachments.c.id.in_(some), gone).values(state="deleted")
    return [Attachment._make(row) for row in connection.execute(marked.returning(*_COLUMNS))]


def end_removal(connection: Connection, ids: Sequence[UUID]) -> None:
    """Their files are deleted."""
    connection.execute(delete(attachments).where(attachments.c.id.in_(ids), attachments.c.state == "deleted"))


def due_previews(connection: Connection, limit: int) -> list[Attachment]:
    """Pictures that have no preview yet, oldest first."""
    due = (attachments.c.preview == "due", attachments.c.state == "ready")
    rows = connection.execute(select(*_COLUMNS).where(*due).order_by(attachments.c.id).limit(limit))
    return [Attachment._make(row) for row in rows]


def set_preview(connection: Connection, attachment_id: UUID, *, made: bool) -> None:
    """A preview was made, or cannot be made."""
    this = (attachments.c.id == attachment_id, attachments.c.preview == "due")
    connection.execute(update(attachments).where(*this).values(preview="made" if made else None))
