"""Attachments of conversations: tickets to upload, and URLs to download."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import Field

from actions import attachments
from actions.principal import Principal
from actions.problems import not_found
from carillon.fields import FileName, MediaType, Sha256, Strict
from carillon.payload import MAX_NUMBER
from models.attachments.queries import Attachment, NewAttachment
from models.ids import as_uuid
from storage.base import Signed
from web.api.endpoint import Answer, Api
from web.api.fields import Moment, View
from web.api.messages import CONVERSATION, ConversationPath
from web.context import context

api = Api("attachments", "Files that members of a conversation send with their messages.")

ATTACHMENTS = f"{CONVERSATION}/attachments"


class AttachmentBody(Strict):
    """A file that is going to be uploaded."""

    name: FileName
    size: int = Field(ge=1, le=MAX_NUMBER, description="In bytes.")
    type: MediaType
    sha256: Sha256


class AttachmentView(View):
    """An attachment."""

    id: UUID
    name: str
    size: int = Field(description="In bytes.")
    type: str = Field(description="As the sender says.")
    sha256: str
    state: Literal["pending", "ready"] = Field(description="pending: the file is not uploaded and completed yet.")
    message_no: int | None = Field(description="The number of its message in the conversation; null: it was not sent.")
    created_at: Moment

    @classmethod
    def members_of(cls, row: Attachment) -> dict[str, object]:
        """Members of the view, from a row."""
        same = ("id", "name", "size", "type", "sha256", "state", "created_at")
        return {name: getattr(row, name) for name in same} | {"message_no": row.no}


class UploadView(View):
    """How to upload the file: with this method and these headers, and no token."""

    method: Literal["PUT"] = "PUT"
    url: str
    headers: dict[str, str] = Field(description="Headers that the request must have.")
    expires_at: Moment


class TicketView(AttachmentView):
    """An attachment that is going to be uploaded."""

    upload: UploadView


class SignedUrl(View):
    """A URL that needs no token."""

    url: str
    expires_at: Moment


class DownloadView(AttachmentView):
    """An attachment with the URLs of its file and its preview."""

    download: SignedUrl | None = Field(description="The file, to be saved. null: it is not complete.")
    preview: SignedUrl | None = Field(
        description="A picture (WebP) of at most 400 × 400 pixels, to be shown. null: there is none, or not yet."
    )


class AttachmentPath(ConversationPath):
    """Names an attachment of a conversation."""

    attachment: str

    def uuid(self) -> UUID:
        """Return the id. Raises Problem (404) for a text that is not an id."""
        found = as_uuid(self.attachment)
        if found is None:
            raise not_found("attachment")
        return found


@api.declare("POST", ATTACHMENTS, auth="user", answers={201: TicketView}, problems=[404, 409])
def create_attachment(caller: Principal, path: ConversationPath, body: AttachmentBody) -> Answer:
    """Announce a file, and get a URL to upload it to.

    Send the file by `upload.method` to `upload.url`, with `upload.headers`; then complete the attachment. Exactly the
    announced bytes are accepted. A file that is not sent with a message within 24 hours is deleted.
    """
    new = NewAttachment(**body.model_dump())
    made, signed = attachments.create_ticket(context(), caller, path.conversation, new)
    upload = UploadView(url=signed.url, headers=dict(signed.headers), expires_at=signed.expires_at)
    return Answer(TicketView(**AttachmentView.members_of(made), upload=upload), 201)


@api.declare(
    "POST", f"{ATTACHMENTS}/<attachment>/complete", auth="user", answers={200: AttachmentView}, problems=[404, 409]
)
def complete_attachment(caller: Principal, path: AttachmentPath) -> AttachmentView:
    """Tell that the file was uploaded. Its size and SHA-256 are checked; then it can be sent with a message.

    Doing it again changes nothing.
    """
    return AttachmentView(
        **AttachmentView.members_of(attachments.complete(context(), caller, path.conversation, path.uuid()))
    )


@api.declare("GET", f"{ATTACHMENTS}/<attachment>", auth="user", answers={200: DownloadView}, problems=[404, 409])
def get_attachment(caller: Principal, path: AttachmentPath) -> DownloadView:
    """Return an attachment, with URLs for the caller that are good for five minutes.

    Whoever may see the message may see its attachments. One that was not sent yet is for the member who uploads it.
    """
    found = attachments.find(context(), caller, path.conversation, path.uuid())
    return DownloadView(
        **AttachmentView.members_of(found.attachment), download=_url(found.download), preview=_url(found.preview)
    )


def _url(signed: Signed | None) -> SignedUrl | None:
    return SignedUrl(url=signed.url, expires_at=signed.expires_at) if signed is not None else None
