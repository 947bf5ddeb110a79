"""Paths under which client programs of the seed systems know the chat: the same operations as under /v1."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from actions.messages import send_message
from actions.parsing import parse
from actions.principal import Principal
from actions.problems import invalid
from carillon.chat import NewMessage
from carillon.fields import ConversationId
from models.conversations.events import created
from models.conversations.queries import Overview, count_unread, participants
from models.messages.message import Message, message_event
from models.messages.queries import newest_of
from models.sql.engine import read
from web.api.conversations import conversations_of
from web.api.endpoint import Answer, Api
from web.api.fields import PAGE, KeyHeader, Limit, Page, View
from web.api.messages import ConversationPath, Number, NumberPage, found_of, message_answer, messages_of
from web.context import context

api = Api("chat aliases", "The chat under the paths of the systems before this one.", prefix="/api")


def _as_text(value: object) -> object:
    # bool is an int to isinstance, hence type().
    return str(value) if type(value) is int else value


GivenId = Annotated[ConversationId, BeforeValidator(_as_text, json_schema_input_type=str | int)]


class KnownConversations(View):
    """Conversations, those with the newest messages first, with the members of `chat:conversation:created`."""

    conversations: list[dict[str, Any]]
    page: Page


class KnownMessages(View):
    """Messages, newest first, with the members of `chat:message`."""

    messages: list[dict[str, Any]]
    page: NumberPage


class UnreadCount(View):
    """How many messages the user has not read: in all conversations, and in each by its id."""

    unreadCount: int  # noqa: N815 - the name that these clients know
    mentionCount: int  # noqa: N815
    conversations: dict[str, int]


class SentMessage(View):
    """The message, with the members of `chat:message`, which are those of `new-message` too."""

    message: dict[str, Any]


class ConversationsQuery(BaseModel):
    """Which conversations. Unknown parameters are ignored, because these clients send some."""

    model_config = ConfigDict(extra="ignore")

    after: str | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


class MessagesQuery(BaseModel):
    """Which messages. Unknown parameters are ignored, because these clients send some."""

    model_config = ConfigDict(extra="ignore")

    before: Number | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


class SearchQuery(BaseModel):
    """What to search for. Unknown parameters are ignored, because these clients send some."""

    model_config = ConfigDict(extra="ignore")

    q: str = Field(min_length=1, max_length=200, description="Words, all of which a message must contain.")
    conversationId: GivenId | None = None  # noqa: N815 - the name that these clients know
    after: str | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


class FoundMessages(View):
    """Messages that were found, newest first, with the members of `chat:message`."""

    messages: list[dict[str, Any]]
    page: Page


class GroupMessage(BaseModel):
    """A message to a group. Other members are ignored, because these clients send some."""

    model_config = ConfigDict(extra="ignore", strict=True)

    groupId: GivenId  # noqa: N815 - the names that these clients know
    content: str
    isPrivate: bool = False  # noqa: N815
    targetUserId: Annotated[str | None, BeforeValidator(_as_text, json_schema_input_type=str | int | None)] = None  # noqa: N815
    userId: Annotated[str | None, BeforeValidator(_as_text, json_schema_input_type=str | int | None)] = Field(  # noqa: N815
        None, description="Of a service: the member whose message it is; the system's, if not given."
    )
    replyTo: str | None = None  # noqa: N815
    tempId: str | None = None  # noqa: N815


def _known(message: Message) -> dict[str, Any]:
    return message_event(message) | {
        "reactions": [{"emoji": one.emoji, "count": one.count, "me": one.me} for one in message.reactions]
    }


def _conversation(overview: Overview, names: list[str], newest: Message | None) -> dict[str, Any]:
    invited = overview.conversation.member is not None and overview.conversation.member.role == "invited"
    return created(overview.conversation, names) | {
        "unreadCount": overview.unread,
        "mentionCount": overview.unread_mentions,
        "isInvitation": invited,
        "lastMessage": message_event(newest) if newest is not None else None,
    }


@api.declare("GET", "/chat/conversations", auth="user", answers={200: KnownConversations})
def list_conversations_alias(caller: Principal, query: ConversationsQuery) -> KnownConversations:
    """List the user's conversations: GET /v1/conversations."""
    found, page = conversations_of(caller, caller.id, query.after, query.limit)
    with read(context().engine) as connection:
        names = participants(connection, [one.conversation.room_id for one in found])
        newest = newest_of(connection, [one.conversation for one in found])
    rooms = [(one, one.conversation.room_id) for one in found]
    listed = [_conversation(one, names[room], newest.get(room)) for one, room in rooms]
    return KnownConversations(conversations=listed, page=page)


@api.declare(
    "GET", "/chat/conversations/<conversation>/messages", auth="user", answers={200: KnownMessages}, problems=[404]
)
def list_messages_alias(caller: Principal, path: ConversationPath, query: MessagesQuery) -> KnownMessages:
    """List messages, newest first: GET /v1/conversations/{conversation}/messages."""
    shown, page = messages_of(caller, path.conversation, query.before, None, query.limit)
    return KnownMessages(messages=[_known(one) for one in shown], page=page)


@api.declare("GET", "/chat/search", auth="user", answers={200: FoundMessages}, problems=[404])
def search_messages_alias(caller: Principal, query: SearchQuery) -> FoundMessages:
    """Search the messages that the user may see: GET /v1/conversations/search."""
    shown, page = found_of(caller, query.q, query.conversationId, query.after, query.limit)
    return FoundMessages(messages=[_known(one) for one in shown], page=page)


@api.declare("GET", "/chat/unread", auth="user", answers={200: UnreadCount})
def count_unread_alias(caller: Principal) -> UnreadCount:
    """Count what the user has not read: GET /v1/conversations/unread."""
    with read(context().engine) as connection:
        found = count_unread(connection, caller.tenant, caller.id)
    return UnreadCount(
        unreadCount=found.messages,
        mentionCount=found.mentions,
        conversations={key: number for key, number, _ in found.conversations},
    )


@api.declare(
    "POST",
    "/messages",
    auth=["user", "service"],
    answers={201: SentMessage},
    problems=[404],
    headers=["Location", "Idempotent-Replayed"],
)
def send_message_alias(caller: Principal, header: KeyHeader, body: GroupMessage) -> Answer:
    """Send a message to a group: POST /v1/conversations/{conversation}/messages."""
    if body.isPrivate and body.targetUserId is None:
        raise invalid("targetUserId", "missing", "name the member whom a private message is for")
    said: dict[str, Any] = {
        "content": body.content,
        "private_to": body.targetUserId if body.isPrivate else None,
        "reply_to": body.replyTo,
        "temp_id": body.tempId,
        "sender": body.userId if caller.kind == "service" else None,
    }
    request = parse(NewMessage, {name: value for name, value in said.items() if value is not None})
    sent = send_message(context(), caller, body.groupId, request, header.idempotency_key)
    return message_answer(sent.message, sent.replayed, SentMessage(message=_known(sent.message)))
