"""Who may use an attachment, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, NamedTuple
from uuid import UUID

import uuid_utils.compat
from sqlalchemy import ColumnElement, Connection, and_, delete, exists, func, insert, or_, select, update

from models.attachments.tables import attachments
from models.conversations.tables import members
from models.messages.tables import hidden_messages, messages
from models.rooms.tables import rooms
from models.users.tables import users

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


class Place(NamedTuple):
    """A conversation and one of its members, by their rows."""

    room_id: int
    user_id: int


def place_of(connection: Connection, tenant_id: str, user: str, conversation: str) -> Place | None:
    """Where the user is a member, or None if they are not, or there is no such conversation."""
    row = connection.execute(
        select(members.c.room_id, members.c.user_id)
        .join(rooms, rooms.c.id == members.c.room_id)
        .join(users, users.c.id == members.c.user_id)
        .where(
            rooms.c.tenant_id == tenant_id,
            rooms.c.kind == "conversation",
            rooms.c.key == conversation,
            users.c.tenant_id == tenant_id,
            users.c.external_id == user,
            members.c.role != "invited",
        )
    ).one_or_none()
    return Place._make(row) if row is not None else None


def create(connection: Connection, tenant_id: str, place: Place, new: NewAttachment, now: datetime) -> Attachment:
    """Note a file that is going to be uploaded."""
    row = connection.execute(
        insert(attachments)
        .values(
            id=uuid_utils.compat.uuid7(),
            tenant_id=tenant_id,
            room_id=place.room_id,
            uploader_id=place.user_id,
            name=new.name,
            size=new.size,
            type=new.type,
            sha256=new.sha256,
            state="pending",
            created_at=now,
            remove_at=now + UNSENT,
        )
        .returning(*_COLUMNS)
    ).one()
    return Attachment._make(row)


def count_unsent(connection: Connection, user_id: int) -> int:
    """How many files the user has announced or uploaded, and not sent."""
    mine = (attachments.c.uploader_id == user_id, attachments.c.no.is_(None), attachments.c.state != "deleted")
    return connection.execute(select(func.count()).select_from(attachments).where(*mine)).scalar_one()


def stored_bytes(connection: Connection, tenant_id: str) -> int:
    """The bytes of all files of the tenant, those included that are announced."""
    total = select(func.coalesce(func.sum(attachments.c.size), 0)).where(attachments.c.tenant_id == tenant_id)
    return int(connection.execute(total).scalar_one())


def find(
    connection: Connection, tenant_id: str, user: str, attachment_id: UUID, conversation: str | None = None
) -> Attachment | None:
    """The attachment, if the user is a member who may see it; None otherwise.

    What was sent is for those who may see the message. What was not sent is for the member who uploads it.
    """
    member = and_(members.c.room_id == attachments.c.room_id, members.c.user_id == users.c.id)
    message = and_(messages.c.room_id == attachments.c.room_id, messages.c.no == attachments.c.no)
    statement = (
        select(*_COLUMNS)
        .join(rooms, rooms.c.id == attachments.c.room_id)
        .join(users, and_(users.c.tenant_id == tenant_id, users.c.external_id == user))
        .join(members, member)
        .outerjoin(messages, message)
        .where(
            attachments.c.id == attachment_id,
            attachments.c.tenant_id == tenant_id,
            attachments.c.state != "deleted",
            members.c.role != "invited",
            or_(and_(attachments.c.no.is_(None), attachments.c.uploader_id == users.c.id), _sees()),
        )
    )
    if conversation is not None:
        statement = statement.where(rooms.c.kind == "conversation", rooms.c.key == conversation)
    row = connection.execute(statement).one_or_none()
    return Attachment._make(row) if row is not None else None


def _sees() -> ColumnElement[bool]:
    """Whether the member sees the message that is joined."""
    hidden = exists().where(
        hidden_messages.c.user_id == users.c.id,
        hidden_messages.c.room_id == messages.c.room_id,
        hidden_messages.c.no == messages.c.no,
    )
    return and_(
        messages.c.no > members.c.after_no,
        messages.c.deleted_at.is_(None),
        or_(messages.c.target_id.is_(None), messages.c.target_id == users.c.id, messages.c.sender_id == users.c.id),
        ~hidden,
    )


def complete(connection: Connection, attachment_id: UUID, *, picture: bool, now: datetime) -> Attachment | None:
    """The file is there. `picture`: it gets a preview. Once it is ready, nothing changes. None if it is gone."""
    this = attachments.c.id == attachment_id
    change = update(attachments).where(this, attachments.c.state == "pending")
    connection.execute(change.values(state="ready", preview="due" if picture else None, remove_at=now + UNSENT))
    row = connection.execute(select(*_COLUMNS).where(this, attachments.c.state == "ready")).one_or_none()
    return Attachment._make(row) if row is not None else None


def attach(connection: Connection, room_id: int, no: int, ids: Sequence[UUID], sender_id: int) -> list[Attachment]:
    """Give these files to a message that exists, in the transaction that sends it. Raises NotAttachable."""
    own = (
        attachments.c.id.in_(ids),
        attachments.c.room_id == room_id,
        attachments.c.uploader_id == sender_id,
        attachments.c.state == "ready",
        attachments.c.no.is_(None),
    )
    rows = connection.execute(update(attachments).where(*own).values(no=no, remove_at=None).returning(*_COLUMNS))
    found = {row.id: Attachment._make(row) for row in rows}
    missing = [one for one in ids if one not in found]
    if missing:
        raise NotAttachable(missing)
    return [found[one] for one in ids]


def detach(connection: Connection, room_id: int, no: int, now: datetime) -> None:
    """A message was deleted for everyone: its files go, and nobody gets them any more."""
    its = (attachments.c.room_id == room_id, attachments.c.no == no)
    connection.execute(update(attachments).where(*its).values(remove_at=now))


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
