"""What can be asked of the chat: the bodies of the HTTP API, and what clients send on the socket."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from carillon.fields import AttachmentId, Content, ConversationId, TempId, Title, UserId, WebUrl
from carillon.requests import Request

MAX_PARTICIPANTS = 1000
MAX_MENTIONS = 50
MAX_ATTACHMENTS = 10

# In `mentions`: all members.
ALL = "@all"

# Not //host/path, which a browser takes for a URL.
SitePath = Annotated[str, Field(pattern=r"^/([^/\\\s][^\\\s]*)?$", max_length=2048)]
Kind = Literal["direct", "group"]
History = Literal["shared", "joined", "invited"]


class NewConversation(Request):
    """A conversation to begin. The body of POST /v1/conversations."""

    type: Kind
    participants: Annotated[list[UserId], Field(max_length=MAX_PARTICIPANTS)] = Field(
        description="Users by their ids. The one who asks need not be among them."
    )
    name: Title | None = None
    id: ConversationId | None = Field(
        None, description="Carillon makes one if it is not given. Services can choose any, users a UUID."
    )
    history: History = Field(
        "shared",
        description="What members see who come later: everything, what comes after they have joined, or what comes "
        "after they were invited.",
    )
    created_by: UserId | None = Field(None, description="Whose conversation it is. For services only.")


class ChangedConversation(Request):
    """What changes. The body of PATCH /v1/conversations/{conversation}."""

    name: Title | None = Field(None, description="null: it has none.")
    history: History | None = Field(None, description="For those who come from now on.")


class NewMessage(Request):
    """A message to send. The body of POST /v1/conversations/{conversation}/messages."""

    type: Literal["text", "image", "file", "system"] | None = Field(
        None, description="`text` if not given; of a service that names no `sender`, `system`."
    )
    # Before `media_url` and `content`, whose validators look at it.
    attachments: Annotated[list[AttachmentId], Field(max_length=MAX_ATTACHMENTS)] = Field(
        [], description="Files that the sender has uploaded to the conversation and completed, by their ids."
    )
    media_url: WebUrl | SitePath | None = Field(
        None, validate_default=True, description="Where the image or the file is."
    )
    content: Content = Field(
        "", validate_default=True, description="What it says. Not blank without a `media_url` or `attachments`."
    )
    temp_id: TempId | None = Field(
        None,
        description="The sender's own id of the message, which makes it safe to send it again: one id is one message "
        "in a conversation.",
    )
    reply_to: str | None = Field(None, max_length=64, description="The id of the message that this one answers.")
    mentions: Annotated[list[UserId], Field(max_length=MAX_MENTIONS)] = Field(
        [], description=f"Members by their ids. `{ALL}`: all of them; for owners, moderators and services."
    )
    private_to: UserId | None = Field(None, description="The one member who sees it, beside the sender.")
    sender: UserId | None = Field(None, description="The member whose message it is. For services only.")

    @field_validator("media_url")
    @classmethod
    def _media(cls, url: str | None, info: ValidationInfo) -> str | None:
        # `attachments` is not in `data` if it is wrong itself.
        if url is None and info.data.get("type") in ("image", "file") and info.data.get("attachments") == []:
            raise PydanticCustomError("media_url", "says where the image or the file is: give it, or attachments")
        return url

    @field_validator("content")
    @classmethod
    def _says_something(cls, content: str, info: ValidationInfo) -> str:
        # What is wrong itself is not in `data`.
        without = info.data.get("media_url", "wrong") is None and info.data.get("attachments") == []
        if not content.strip() and without:
            raise PydanticCustomError("blank", "must not be blank")
        return content


class ChangedMessage(Request):
    """What a message says now. The body of PATCH /v1/conversations/{conversation}/messages/{message}."""

    content: Content
    mentions: Annotated[list[UserId], Field(max_length=MAX_MENTIONS)] | None = Field(
        None, description="As before, if not given. Who was mentioned before is not told again."
    )
