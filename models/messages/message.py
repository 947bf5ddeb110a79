"""A message as its readers find it, and as the event that tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from models.timestamps import iso

# Tells the sender's own connections that a message is stored.
SENT = "chat:message:sent"

Kind = Literal["text", "image", "file", "system"]


@dataclass(frozen=True, slots=True)
class Reaction:
    """How many members have reacted with an emoji, and whether the reader is among them."""

    emoji: str
    count: int
    me: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a conversation. `no` is its number there.

    `sender` and `private_to` are users by their ids. `data` is what goes with the content: `reply_to` (the id of a
    message), `mentions`, `media_url`, `attachments` and `temp_id`. A message that was deleted for everyone has neither.
    """

    id: UUID
    conversation_id: str
    no: int
    sender: str | None
    kind: Kind
    content: str
    data: dict[str, Any]
    private_to: str | None
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    seq: int
    edit_seq: int | None = None
    is_private: bool = False
    reactions: list[Reaction] = field(default_factory=list)

    @property
    def audience(self) -> list[str] | None:
        """The users who see it; None if all members do."""
        return [user for user in (self.sender, self.private_to) if user is not None] if self.is_private else None


def message_event(message: Message) -> dict[str, Any]:
    """The payload of `chat:message`. The ids are given under every name that existing clients look for."""
    data = message.data
    payload = {
        "messageId": str(message.id),
        "id": str(message.id),
        "conversationId": message.conversation_id,
        "groupId": message.conversation_id,
        "no": message.no,
        "senderKey": message.sender,
        "userId": message.sender,
        "content": message.content,
        "type": message.kind,
        "status": "sent",
        "replyTo": data.get("reply_to"),
        "mentions": data.get("mentions", []),
        "mediaUrl": data.get("media_url"),
        "attachments": data.get("attachments", []),
        "isPrivate": message.is_private,
        "targetUserId": message.private_to,
        "createdAt": iso(message.created_at),
        "tempId": data.get("temp_id"),
    }
    if message.edited_at is not None:
        payload["editedAt"] = iso(message.edited_at)
    if message.deleted_at is not None:
        payload["deletedAt"] = iso(message.deleted_at)
    return payload


def named(message: Message) -> dict[str, Any]:
    """How every other event names a message."""
    return {
        "messageId": str(message.id),
        "id": str(message.id),
        "conversationId": message.conversation_id,
        "no": message.no,
    }
