"""Events that clients send about their conversations. The user is that of the connection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from actions import conversations, messages
from actions.installation import Installation
from actions.problems import Problem
from bus.envelope import Group, room_name
from bus.redis import UNAVAILABLE as BUS_UNAVAILABLE
from carillon.chat import ChangedMessage, NewConversation, NewMessage
from models.conversations.queries import find_direct
from models.messages.message import SENT, message_event
from models.messages.receipts import Receipt
from models.sql.engine import read
from web.realtime.gateway.sessions import Session
from web.realtime.payloads import Refused, parse
from web.realtime.presence.typing import Typing
from web.realtime.transport import fanout

Handler = Callable[[Session, Any], dict[str, Any]]

# An id can be a number in clients of earlier systems. true is 1 to Python.
Id = Annotated[
    str,
    Field(min_length=1, max_length=128),
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
]


class _Named(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Place(_Named):
    """A conversation, or the user with whom there is one of two."""

    conversation: Id | None = Field(None, validation_alias=AliasChoices("conversationId", "groupId"))
    recipient: Id | None = Field(None, validation_alias=AliasChoices("recipientId", "to_user_id"))


class One(_Named):
    """A message."""

    message: Id = Field(validation_alias="messageId")


class Position(_Named):
    """All of a conversation, or its messages up to one. `private`: nobody else is told."""

    conversation: Id | None = Field(None, validation_alias="conversationId")
    message: Id | None = Field(None, validation_alias="messageId")
    private: StrictBool = False


class Typed(Place):
    """Whether the user types."""

    is_typing: StrictBool = Field(validation_alias=AliasChoices("isTyping", "is_typing"))


class Deletion(One):
    """For whom a message is deleted."""

    for_everyone: StrictBool = Field(False, validation_alias="forEveryone")


class Reaction(One):
    """A reaction to a message."""

    emoji: Annotated[str, Field(max_length=64)]


def chat_events(installation: Installation, typing: Typing) -> dict[str, Handler]:
    """The handler of each event. It returns the answer, and raises Refused, or UNAVAILABLE of the database."""
    handlers: dict[str, Handler] = {
        "chat:send": partial(_send, installation),
        "chat:read": partial(_read, installation),
        "chat:delivered": partial(_delivered, installation),
        "chat:typing": partial(_typing, installation, typing),
        "chat:edit": partial(_edit, installation),
        "chat:delete": partial(_delete, installation),
        "chat:react": partial(_react, installation, True),
        "chat:unreact": partial(_react, installation, False),
        "chat:conversation:create": partial(_create, installation),
        "chat:conversation:leave": partial(_leave, installation),
    }
    return {name: partial(_refusing, handler) for name, handler in handlers.items()}


def _refusing(handler: Handler, session: Session, payload: Any) -> dict[str, Any]:
    try:
        return handler(session, payload)
    except Problem as problem:
        raise Refused("rate_limited" if problem.status == 429 else problem.code, problem.detail) from problem


def _members(payload: Any, **names: str) -> dict[str, Any]:
    """The members of a payload that have a value, by the names of the API."""
    if not isinstance(payload, dict):
        raise Refused("bad_request", "the payload is not an object")
    return {name: payload[given] for name, given in names.items() if payload.get(given) is not None}


def _send(installation: Installation, session: Session, payload: Any) -> dict[str, Any]:
    given = _members(
        payload,
        content="content",
        type="type",
        temp_id="tempId",
        reply_to="replyTo",
        mentions="mentions",
        media_url="mediaUrl",
        private_to="targetUserId",
    )
    request = parse(NewMessage, given)
    place = parse(Place, payload)
    conversation = place.conversation
    if conversation is None and place.recipient is not None:
        pair = NewConversation(type="direct", participants=[place.recipient])
        conversation = conversations.create_conversation(installation, session.principal, pair).id
    if conversation is None:
        raise Refused("bad_request", "conversationId is required")
    sent = messages.send_message(installation, session.principal, conversation, request)
    answer = message_event(sent.message)
    _confirm(installation, session, answer)
    return answer


def _confirm(installation: Installation, session: Session, sent: dict[str, Any]) -> None:
    """Send `chat:message:sent` to all connections of the sender."""
    group = Group(SENT, sent, [(room_name(session.tenant, session.user_room), 0)])
    try:
        installation.publisher.publish([group])
    except BUS_UNAVAILABLE:
        fanout.send_unlogged([session], group.event, sent)


def _read(installation: Installation, session: Session, payload: Any) -> dict[str, Any]:
    wanted = parse(Position, payload)
    if wanted.conversation is None and wanted.message is None:
        raise Refused("bad_request", "conversationId or messageId is required")
    kind: Receipt = "seen" if wanted.private else "read"
    found = messages.mark(installation, session.principal, wanted.conversation, kind, message=wanted.message)
    return {"conversationId": found.conversation.id, "unread": found.unread}


def _delivered(installation: Installation, session: Session, payload: Any) -> dict[str, Any]:
    found = messages.mark(installation, session.principal, None, "delivered", message=parse(One, payload).message)
    return {"conversationId": found.conversation.id}


def _typing(installation: Installation, typing: Typing, session: Session, payload: Any) -> dict[str, Any]:
    typed = parse(Typed, payload)
    conversation = typed.conversation
    if conversation is None and typed.recipient is not None:
        with read(installation.engine) as connection:
            conversation = find_direct(connection, session.tenant, session.user, typed.recipient)
        if conversation is None:
            # Before the first message there is nobody to tell.
            return {}
    if conversation is None:
        raise Refused("bad_request", "conversationId is required")
    try:
        typing.set(session, conversation, typed.is_typing)
    except BUS_UNAVAILABLE as error:
        raise Refused("unavailable", "others cannot be told at the moment") from error
    return {}


def _edit(installation: Installation, session: Session, payload: Any) -> dict[str, Any]:
    named = parse(One, payload)
    request = parse(ChangedMessage, _members(payload, content="content", mentions="mentions"))
    return message_event(messages.edit_message(installation, session.principal, None, named.message, request))


def _delete(installation: Installation, session: Session, payload: Any) -> dict[str, Any]:
    named = parse(Deletion, payload)
    messages.delete_message(installation, session.principal, None, named.message, for_everyone=named.for_everyone)
    return {"messageId": named.message, "forEveryone": named.for_everyone}


def _react(installation: Installation, on: bool, session: Session, payload: Any) -> dict[str, Any]:
    wanted = parse(Reaction, payload)
    changed = messages.react(installation, session.principal, None, wanted.message, wanted.emoji, on)
    shown = [{"emoji": one.emoji, "count": one.count, "me": one.me} for one in changed.reactions]
    return {"messageId": wanted.message, "reactions": shown}


def _create(installation: Installation, session: Session, payload: Any) -> dict[str, Any]:
    given = _members(payload, type="type", participants="participants", name="name", history="history", id="id")
    begun = conversations.create_conversation(installation, session.principal, parse(NewConversation, given))
    return {"conversationId": begun.id, "new": begun.new}


def _leave(installation: Installation, session: Session, payload: Any) -> dict[str, Any]:
    place = parse(Place, {"conversationId": payload} if isinstance(payload, str | int) else payload)
    if place.conversation is None:
        raise Refused("bad_request", "conversationId is required")
    conversations.remove_member(installation, session.principal, place.conversation, session.user)
    return {"conversationId": place.conversation}
