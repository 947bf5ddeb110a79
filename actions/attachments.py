"""Upload, complete and fetch attachments of conversations, and delete those that nobody needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from actions.conversations import hold, require_conversation
from actions.installation import Installation
from actions.principal import Principal
from actions.problems import Problem, invalid, not_found
from models.attachments import queries as attachments
from models.attachments.queries import Attachment, NewAttachment
from models.conversations.queries import Conversation
from models.messages.queries import find_no
from models.messages.send import Sent
from models.sql.engine import read, write
from storage.base import Member, Signed, Storage, StorageUnavailable
from storage.files import FileStorage, Ticket

# How long the URL of an upload is good: a large file over a slow line, and a try again.
UPLOAD = timedelta(hours=1)
# How long those of downloads are good. They are asked for when they are needed.
DOWNLOAD = timedelta(minutes=5)

# Files that a user can have announced or uploaded without sending them.
MAX_UNSENT = 100

# Formats of which a preview is made, by the type that the sender says. What they really are is found out by the worker.
PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
PREVIEW_TYPE = "image/webp"

# Files deleted in one round.
_BATCH = 100


class Found(NamedTuple):
    """An attachment, and how its file and its preview can be fetched. None: there is none, or not yet."""

    attachment: Attachment
    download: Signed | None
    preview: Signed | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that a signed URL leads to: the attachment, and whether its preview is meant."""

    attachment: Attachment
    preview: bool


def create_ticket(
    installation: Installation, caller: Principal, conversation: str, new: NewAttachment
) -> tuple[Attachment, Signed]:
    """Announce a file. Returns it, and how it is uploaded. Raises Problem (404, 409, 422)."""
    storage, now = _storage(installation), installation.now()
    if new.size > installation.attachment_max_bytes:
        raise invalid("size", "too_large", f"must be at most {installation.attachment_max_bytes} bytes")
    with write(installation.engine) as connection:
        found = require_conversation(connection, caller, conversation)
        uploader_id = hold(connection, caller, [])[caller.id]
        if attachments.count_unsent(connection, uploader_id) >= MAX_UNSENT:
            detail = (
                f"you have {MAX_UNSENT} attachments that you have not sent: send some, or wait until they are deleted, "
                "24 hours after their upload"
            )
            raise Problem(409, "too_many_unsent_attachments", detail)
        installation.quotas.require_bytes(connection, caller.tenant, new.size)
        made = attachments.create(connection, caller.tenant, found.room_id, uploader_id, new, now)
    return made, storage.upload(made.key, made.size, made.sha256, _member(caller), now + UPLOAD)


def complete(installation: Installation, caller: Principal, conversation: str, attachment: UUID) -> Attachment:
    """Check that the file is there as announced. Doing it again changes nothing. Raises Problem (404, 409, 503)."""
    storage = _storage(installation)
    found = _require(installation, caller, attachment, conversation)
    if found.state == "ready":
        return found
    # Without a transaction: it may ask another machine.
    try:
        stored = storage.holds(found.key, found.size, found.sha256)
    except StorageUnavailable as error:
        raise unavailable(error) from error
    if not stored:
        detail = "the file has not arrived: PUT it to the URL of the ticket, and complete it after that has succeeded"
        raise Problem(409, "not_uploaded", detail)
    picture = found.type in PICTURES
    with write(installation.engine) as connection:
        done = attachments.complete(connection, found.id, picture=picture, now=installation.now())
    if done is None:
        raise not_found("attachment")
    if done.preview == "due":
        installation.bells.preview()
    return done


def find(installation: Installation, caller: Principal, conversation: str, attachment: UUID) -> Found:
    """The attachment, with URLs that are good for DOWNLOAD and for the caller. Raises Problem (404, 409)."""
    storage = _storage(installation)
    found = _require(installation, caller, attachment, conversation)
    member, until = _member(caller), installation.now() + DOWNLOAD
    ready, made = found.state == "ready", found.preview == "made"
    return Found(
        found,
        storage.download(found.key, found.name, member, until) if ready else None,
        storage.show(found.preview_key, PREVIEW_TYPE, member, until) if made else None,
    )


def receive(
    installation: Installation, storage: FileStorage, ticket: Ticket, read_body: Callable[[int], bytes]
) -> None:
    """Store the file of a ticket. Raises Problem (404, 409, 503), and what `storage.receive` raises of the body."""
    if _of_ticket(installation, ticket).state != "pending":
        raise Problem(409, "already_uploaded", "the attachment is complete: its file cannot be changed")
    try:
        storage.receive(ticket, read_body)
    except StorageUnavailable as error:
        raise unavailable(error) from error


def open_file(installation: Installation, ticket: Ticket) -> Opened:
    """What a ticket leads to, if its user may still see it. Raises Problem (404)."""
    return Opened(_of_ticket(installation, ticket), ticket.key.endswith(".preview"))


def sweep(installation: Installation) -> int:
    """Delete files that were not sent within a day, or whose message, conversation or tenant is gone. Returns how many.

    Raises StorageUnavailable; what is left is tried again next time.
    """
    storage, total = installation.storage, 0
    while storage is not None:
        with write(installation.engine) as connection:
            gone = attachments.begin_removal(connection, installation.now(), _BATCH)
        if not gone:
            break
        for attachment in gone:
            storage.delete(attachment.preview_key)
            storage.delete(attachment.key)
        # After the files, so that no file is ever without a row.
        with write(installation.engine) as connection:
            attachments.end_removal(connection, [attachment.id for attachment in gone])
        total += len(gone)
    return total


def unavailable(error: StorageUnavailable) -> Problem:
    """503: the storage does not do its part. The message is for people, and has no URL."""
    return Problem(503, "storage_unavailable", f"{error}; try again", headers={"Retry-After": "5"})


def attach_files(
    connection: Connection, conversation: Conversation, ids: Sequence[str], sender_id: int | None, sent: Sent
) -> None:
    """Give files to a message that was just sent. Raises Problem (422), and then the message must not be committed."""
    if not ids or sent.replayed:
        return
    if sender_id is None:
        raise invalid("attachments", "system", "a message without a sender has no attachments")
    try:
        attachments.attach(connection, conversation.room_id, sent.message.no, _ids(ids), sender_id)
    except attachments.NotAttachable as error:
        detail = f"{error.ids[0]} is not complete, was sent before, or was not uploaded here by the sender"
        raise invalid("attachments", "not_attachable", detail) from error


def describe_files(
    connection: Connection, conversation: Conversation, ids: Sequence[str], sender_id: int | None
) -> list[dict[str, Any]]:
    """What a message says of its files; of what cannot be sent, nothing."""
    if not ids or sender_id is None:
        return []
    return [one.described for one in attachments.uploaded(connection, conversation.room_id, _ids(ids), sender_id)]


def _ids(ids: Sequence[str]) -> list[UUID]:
    return [*dict.fromkeys(map(UUID, ids))]


def _of_ticket(installation: Installation, ticket: Ticket) -> Attachment:
    # Asked again: the user may have left the conversation since the URL was signed.
    user = Principal("user", ticket.member.tenant, ticket.member.user, "live")
    return _require(installation, user, attachments.id_of(ticket.key))


def _require(
    installation: Installation, caller: Principal, attachment: UUID, conversation: str | None = None
) -> Attachment:
    """An attachment that the user may see: of a message that they see, or their own. Raises Problem (404)."""
    with read(installation.engine) as connection:
        if conversation is not None:
            require_conversation(connection, caller, conversation)
        row = attachments.find(connection, caller.tenant, attachment)
        if row is None or (conversation is not None and row[1] != conversation):
            raise not_found("attachment")
        found, key = row
        theirs = require_conversation(connection, caller, key)
        if found.no is None:
            sees = theirs.member is not None and theirs.member.user_id == found.uploader_id
        else:
            message = find_no(connection, theirs, found.no)
            sees = message is not None and message.deleted_at is None
    if not sees:
        raise not_found("attachment")
    return found


def _member(caller: Principal) -> Member:
    return Member(caller.tenant, caller.id)


def _storage(installation: Installation) -> Storage:
    if installation.storage is None:
        detail = "this installation takes no attachments: the operator sets CARILLON_ATTACHMENTS_URL"
        raise Problem(409, "attachments_off", detail)
    return installation.storage
