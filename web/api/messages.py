"""Messages of conversations: send, read, change, react, and say how far they were read."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field

from actions import messages as actions
from actions.principal import Principal
from actions.problems import invalid
from carillon.chat import ChangedMessage, NewMessage
from carillon.fields import ConversationId, Strict, UserId
from models.messages.message import Message
from models.messages.receipts import MAX_NAMED, Receipt
from web.api.endpoint import Answer, Api
from web.api.fields import MAX_PAGE, PAGE, KeyHeader, Limit, Moment, Page, Query, View
from web.context import context

api = Api("messages", "What is said in a conversation.")

CONVERSATION = "/conversations/<conversation>"
MESSAGES = f"{CONVERSATION}/messages"
Number = Annotated[int, Field(ge=0, lt=2**63)]


class ConversationPath(BaseModel):
    """Names a conversation."""

    conversation: ConversationId


class MessagePath(ConversationPath):
    """Names a message of a conversation."""

    message: str


class ReactionPath(MessagePath):
    """Names a reaction of the caller to a message."""

    emoji: str = Field(max_length=64, description="One emoji.")


class ReactionView(View):
    """How many members have reacted with an emoji."""

    emoji: str
    count: int
    me: bool = Field(description="Whether the caller is one of them.")


class FileView(View):
    """A file of a message. Its URLs are asked for when they are needed."""

    id: str
    name: str
    size: int = Field(description="In bytes.")
    type: str = Field(description="As the sender says.")


class MessageView(View):
    """A message. One that was deleted for everyone has no content, and keeps its number."""

    id: str
    conversation_id: str
    no: int = Field(description="Its number in the conversation, from 1 and without gaps.")
    sender: str | None = Field(description="null: the system, or a user who was deleted.")
    type: Literal["text", "image", "file", "system"]
    content: str
    reply_to: str | None
    mentions: list[str]
    media_url: str | None
    attachments: list[FileView]
    private_to: str | None = Field(description="The one member who sees it, beside the sender.")
    reactions: list[ReactionView]
    created_at: Moment
    edited_at: Moment | None
    deleted_at: Moment | None
    temp_id: str | None


class NumberPage(View):
    """Where the next page begins. While `has_more` is true, request it with `before`, or `after`, set to `next`."""

    next: int | None
    has_more: bool


class MessagePage(View):
    """Messages: newest first, but oldest first after a number."""

    data: list[MessageView]
    page: NumberPage


class MessagesQuery(Query):
    """Which messages."""

    before: Number | None = Field(None, description="Those with smaller numbers, newest first.")
    after: Number | None = Field(None, description="Those with greater numbers, oldest first.")
    limit: Limit = PAGE


class DeleteQuery(Query):
    """For whom."""

    for_: Literal["me", "everyone"] = Field("everyone", alias="for")


class ReceiptBody(Strict):
    """Up to which message; to the newest one, if neither is given."""

    message_id: str | None = Field(None, max_length=64)
    no: Annotated[int, Field(ge=1, lt=2**63)] | None = None


class ReadBody(ReceiptBody):
    """Up to which message, and whether others hear of it."""

    private: bool = Field(False, description="Others are not told. It counts as read for the caller alone.")


class PositionView(View):
    """How far the caller has read, and what is left."""

    delivered_no: int
    read_no: int
    unread: int
    unread_mentions: int


class ReceiptView(View):
    """A member to whom the message was delivered."""

    user: str
    status: Literal["delivered", "read"]


class ReceiptsView(View):
    """Who has received a message, without its sender."""

    delivered: int = Field(description="How many members have received it.")
    read: int = Field(description="How many of them have read it.")
    data: list[ReceiptView] = Field(description="Each of them, by their ids.")
    page: Page


class ReceiptsQuery(Query):
    """Which of them."""

    after: UserId | None = Field(None, description="`page.next` of the previous page.")
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = MAX_NAMED


def message_view(message: Message) -> MessageView:
    """A message as callers receive it."""
    data = message.data
    named = ("conversation_id", "no", "sender", "content", "private_to", "created_at", "edited_at", "deleted_at")
    return MessageView(
        id=str(message.id),
        type=message.kind,
        reply_to=data.get("reply_to"),
        mentions=data.get("mentions", []),
        media_url=data.get("media_url"),
        attachments=[FileView(**one) for one in data.get("attachments", [])],
        temp_id=data.get("temp_id"),
        reactions=[ReactionView(emoji=one.emoji, count=one.count, me=one.me) for one in message.reactions],
        **{name: getattr(message, name) for name in named},
    )


def messages_of(
    caller: Principal, conversation: str, before: int | None, after: int | None, limit: int
) -> tuple[list[Message], NumberPage]:
    """A page of messages. Raises Problem (404, 422)."""
    if before is not None and after is not None:
        raise invalid("after", "before", "give before or after, not both")
    found = actions.list_messages(context(), caller, conversation, before=before, after=after, limit=limit + 1)
    shown, more = found[:limit], len(found) > limit
    return shown, NumberPage(next=shown[-1].no if more else None, has_more=more)


class SearchQuery(Query):
    """What to search for."""

    q: str = Field(
        min_length=1,
        max_length=200,
        description="Words, all of which a message must contain. The last may be unfinished, if no space follows it.",
    )
    conversation: ConversationId | None = Field(None, description="Search in this one. Default: in all of the user's.")
    after: str | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


class FoundPage(View):
    """Messages that were found, newest first."""

    data: list[MessageView]
    page: Page


def found_of(
    caller: Principal, asked: str, conversation: str | None, after: str | None, limit: int
) -> tuple[list[Message], Page]:
    """A page of what a search finds. Raises Problem (404, 422)."""
    found = actions.search_messages(context(), caller, asked, conversation=conversation, after=after, limit=limit + 1)
    shown, more = found[:limit], len(found) > limit
    return shown, Page(next=str(shown[-1].id) if more else None, has_more=more)


@api.declare("GET", "/conversations/search", auth="user", answers={200: FoundPage}, problems=[404])
def search_messages(caller: Principal, query: SearchQuery) -> FoundPage:
    """Search the messages that the user may see.

    Case, accents and the forms of characters make no difference. Emoji are found, and so are parts of texts in scripts
    that put no spaces between words.
    """
    shown, page = found_of(caller, query.q, query.conversation, query.after, query.limit)
    return FoundPage(data=[message_view(one) for one in shown], page=page)


@api.declare("GET", MESSAGES, auth=["user", "service"], answers={200: MessagePage}, problems=[404])
def list_messages(caller: Principal, path: ConversationPath, query: MessagesQuery) -> MessagePage:
    """List messages: the newest ones, those before a number, or those after one.

    Numbers that are missing are those of messages that the caller cannot see: private ones of others, and those that
    they have deleted for themselves.
    """
    shown, page = messages_of(caller, path.conversation, query.before, query.after, query.limit)
    return MessagePage(data=[message_view(one) for one in shown], page=page)


@api.declare(
    "POST",
    MESSAGES,
    auth=["user", "service"],
    answers={201: MessageView},
    problems=[404],
    headers=["Location", "Idempotent-Replayed"],
)
def send_message(caller: Principal, path: ConversationPath, header: KeyHeader, body: NewMessage) -> Answer:
    """Send a message to all members of a conversation, or with `private_to` to one of them.

    A repeated request with the same `temp_id`, or the same Idempotency-Key, returns the same message, as it is now.
    With another body it is refused with 422. A service sends as the system, or as the member that `sender` names.
    """
    sent = actions.send_message(context(), caller, path.conversation, body, header.idempotency_key)
    return message_answer(sent.message, sent.replayed, message_view(sent.message))


def message_answer(message: Message, replayed: bool, view: BaseModel) -> Answer:
    """The answer to a message that was sent."""
    headers = {"Location": f"/v1/conversations/{quote(message.conversation_id, safe='')}/messages/{message.id}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return Answer(view, 201, headers)


@api.declare("GET", f"{MESSAGES}/<message>", auth=["user", "service"], answers={200: MessageView}, problems=[404])
def get_message(caller: Principal, path: MessagePath) -> MessageView:
    """Look up a message."""
    return message_view(actions.find_message(context(), caller, path.conversation, path.message))


@api.declare(
    "PATCH", f"{MESSAGES}/<message>", auth=["user", "service"], answers={200: MessageView}, problems=[404, 409]
)
def edit_message(caller: Principal, path: MessagePath, body: ChangedMessage) -> MessageView:
    """Change what a message says. For its sender; of a system message, for services."""
    return message_view(actions.edit_message(context(), caller, path.conversation, path.message, body))


@api.declare("DELETE", f"{MESSAGES}/<message>", auth=["user", "service"], answers={200: MessageView}, problems=[404])
def delete_message(caller: Principal, path: MessagePath, query: DeleteQuery) -> MessageView:
    """Delete a message, for everyone or with `for=me` for the caller alone.

    For everyone: by its sender, by the owner and the moderators of a group, and by services. Its content, mentions and
    reactions are gone; its number stays.
    """
    everyone = query.for_ == "everyone"
    return message_view(
        actions.delete_message(context(), caller, path.conversation, path.message, for_everyone=everyone)
    )


@api.declare(
    "PUT", f"{MESSAGES}/<message>/reactions/<emoji>", auth="user", answers={200: MessageView}, problems=[404, 409]
)
def add_reaction(caller: Principal, path: ReactionPath) -> MessageView:
    """React to a message with an emoji."""
    return message_view(actions.react(context(), caller, path.conversation, path.message, path.emoji, True))


@api.declare(
    "DELETE", f"{MESSAGES}/<message>/reactions/<emoji>", auth="user", answers={200: MessageView}, problems=[404, 409]
)
def remove_reaction(caller: Principal, path: ReactionPath) -> MessageView:
    """Take a reaction back."""
    return message_view(actions.react(context(), caller, path.conversation, path.message, path.emoji, False))


@api.declare(
    "GET", f"{MESSAGES}/<message>/receipts", auth=["user", "service"], answers={200: ReceiptsView}, problems=[404]
)
def list_receipts(caller: Principal, path: MessagePath, query: ReceiptsQuery) -> ReceiptsView:
    """List who has received a message, and who has read it. Private receipts are not among them."""
    found = actions.receipts_of(context(), caller, path.conversation, path.message, query.after, query.limit + 1)
    shown, more = found.page[: query.limit], len(found.page) > query.limit
    return ReceiptsView(
        delivered=found.delivered,
        read=found.read,
        data=[ReceiptView(user=user, status=status) for user, status in shown],
        page=Page(next=shown[-1][0] if more else None, has_more=more),
    )


@api.declare("POST", f"{CONVERSATION}/read", auth="user", answers={200: PositionView}, problems=[404])
def mark_messages_read(caller: Principal, path: ConversationPath, body: ReadBody) -> PositionView:
    """Mark all messages up to one as read. A position never moves back.

    The other members are told once a second, as `chat:message:read`.
    """
    return _marked(caller, path, body, "seen" if body.private else "read")


@api.declare("POST", f"{CONVERSATION}/delivered", auth="user", answers={200: PositionView}, problems=[404])
def mark_messages_delivered(caller: Principal, path: ConversationPath, body: ReceiptBody) -> PositionView:
    """Say that all messages up to one have arrived. The other members are told, as `chat:message:delivered`."""
    return _marked(caller, path, body, "delivered")


def _marked(caller: Principal, path: ConversationPath, body: ReceiptBody, receipt: Receipt) -> PositionView:
    if body.message_id is not None and body.no is not None:
        raise invalid("no", "both", "give message_id or no, not both")
    found = actions.mark(context(), caller, path.conversation, receipt, message=body.message_id, no=body.no)
    member = found.conversation.member
    return PositionView(
        delivered_no=member.delivered_no if member else 0,
        read_no=member.position if member else 0,
        unread=found.unread,
        unread_mentions=found.unread_mentions,
    )
