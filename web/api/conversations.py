"""Conversations: begin, list, change, and what a user has not read in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field

from actions import conversations as actions
from actions.principal import Principal
from actions.problems import invalid
from carillon.chat import ChangedConversation, History, Kind, NewConversation
from carillon.fields import Strict
from models.conversations.queries import Overview, count_unread, list_of, participants
from models.messages.queries import newest_of
from models.sql.engine import read
from web.api.endpoint import Answer, Api
from web.api.fields import PAGE, Limit, Moment, Page, Query, UserPath, View
from web.api.messages import CONVERSATION, ConversationPath, MessageView, message_view
from web.api.users import USER
from web.context import context

api = Api("conversations", "Chat between two users, or in a group. See [the guide to chat](/docs/guides/chat).")

Notify = Literal["all", "mentions", "none"]


class ConversationView(View):
    """A conversation. What is about the caller is null for services, which are no members."""

    id: str
    type: Kind
    name: str | None
    history: History
    created_by: str | None
    created_at: Moment
    member_count: int
    participants: list[str] = Field(description="The first 20 members.")
    role: Literal["owner", "moderator", "member", "invited"] | None = Field(
        description="`invited`: the caller is no member until they join, and sees no messages."
    )
    notify: Notify | None = Field(description="Which messages are sent by push and e-mail.")
    muted_until: Moment | None
    last_no: int | None = Field(description="The number of the newest message. They are numbered without gaps.")
    last_message_at: Moment | None
    last_message: MessageView | None = Field(description="The newest one that the caller may see.")
    read_no: int | None = Field(description="Up to this number, the caller has read all messages.")
    unread: int | None
    unread_mentions: int | None


class ConversationPage(View):
    """Conversations, those with the newest messages first."""

    data: list[ConversationView]
    page: Page


class UnreadConversation(View):
    """What is unread in one conversation."""

    id: str
    unread: int
    unread_mentions: int


class UnreadView(View):
    """What the user has not read."""

    unread: int = Field(description="Messages, in all conversations.")
    unread_mentions: int = Field(description="Those of them that mention the user.")
    data: list[UnreadConversation] = Field(description="Each conversation in which something is unread.")


class ConversationsQuery(Query):
    """Which conversations."""

    after: str | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


class SettingsBody(Strict):
    """What changes."""

    notify: Notify | None = Field(None, description="Which messages are sent by push and e-mail.")
    muted_until: Annotated[datetime, Field(strict=False)] | None = Field(
        None, description="None is sent before, but for mentions. null: muted no longer."
    )


def conversation_views(found: list[Overview]) -> list[ConversationView]:
    """Conversations as callers receive them."""
    with read(context().engine) as connection:
        names = participants(connection, [one.conversation.room_id for one in found])
        newest = newest_of(connection, [one.conversation for one in found])
    return [_view(one, names, newest) for one in found]


def _view(overview: Overview, names: dict[int, list[str]], newest: dict[int, Any]) -> ConversationView:
    found = overview.conversation
    member = found.member
    invited = member is not None and member.role == "invited"
    last = newest.get(found.room_id)
    named = ("id", "name", "history", "created_by", "created_at", "member_count")
    return ConversationView(
        type=found.kind,
        participants=names[found.room_id],
        role=member.role if member else None,
        notify=member.notify if member else None,
        muted_until=member.muted_until if member else None,
        last_no=None if invited else found.last_no,
        last_message_at=None if invited else found.last_message_at,
        last_message=message_view(last) if last is not None else None,
        read_no=member.position if member and not invited else None,
        unread=overview.unread if member else None,
        unread_mentions=overview.unread_mentions if member else None,
        **{name: getattr(found, name) for name in named},
    )


def view_of(caller: Principal, conversation: str) -> ConversationView:
    """A conversation as the caller receives it. Raises Problem (404)."""
    [view] = conversation_views([actions.look_at(context(), caller, conversation)])
    return view


def conversations_of(caller: Principal, user: str, after: str | None, limit: int) -> tuple[list[Overview], Page]:
    """A page of a user's conversations. Raises Problem (422)."""
    with read(context().engine) as connection:
        found = list_of(connection, caller.tenant, user, after=_after(after), limit=limit + 1)
    shown, more = found[:limit], len(found) > limit
    return shown, Page(next=_next(shown[-1]) if more else None, has_more=more)


def _next(last: Overview) -> str:
    moment = last.conversation.last_message_at or last.conversation.created_at
    return f"{round(moment.timestamp() * 1_000_000)}.{last.conversation.id}"


def _after(text: str | None) -> tuple[datetime, str] | None:
    if text is None:
        return None
    moment, dot, key = text.partition(".")
    try:
        if not (moment.isascii() and moment.isdigit() and dot and key.isprintable()):
            raise ValueError
        seconds, rest = divmod(int(moment), 1_000_000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest), key
    except (ValueError, OverflowError, OSError) as error:
        raise invalid("after", "cursor", "is not the `next` of a page") from error


@api.declare(
    "POST",
    "/conversations",
    auth=["user", "service"],
    answers={200: ConversationView, 201: ConversationView},
    problems=[409],
    headers=["Location"],
)
def create_conversation(caller: Principal, body: NewConversation) -> Answer:
    """Begin a conversation.

    200 returns the one that there is: of the same two users, or with the same `id`. All participants are told with
    `chat:conversation:created`. A user owns the group that they begin. Users name users that there are; services create
    those who are new.
    """
    begun = actions.create_conversation(context(), caller, body)
    headers = {"Location": f"/v1/conversations/{quote(begun.id, safe='')}"}
    return Answer(view_of(caller, begun.id), 201 if begun.new else 200, headers)


@api.declare("GET", "/conversations", auth="user", answers={200: ConversationPage})
def list_conversations(caller: Principal, query: ConversationsQuery) -> ConversationPage:
    """List the user's conversations and invitations, those with the newest messages first."""
    found, page = conversations_of(caller, caller.id, query.after, query.limit)
    return ConversationPage(data=conversation_views(found), page=page)


@api.declare("GET", f"{USER}/conversations", auth="service", answers={200: ConversationPage})
def list_user_conversations(caller: Principal, path: UserPath, query: ConversationsQuery) -> ConversationPage:
    """List a user's conversations and invitations, as the user sees them."""
    found, page = conversations_of(caller, path.user, query.after, query.limit)
    return ConversationPage(data=conversation_views(found), page=page)


@api.declare("GET", "/conversations/unread", auth="user", answers={200: UnreadView})
def count_unread_messages(caller: Principal) -> UnreadView:
    """Count what the user has not read, in all conversations and in each."""
    with read(context().engine) as connection:
        found = count_unread(connection, caller.tenant, caller.id)
    return UnreadView(
        unread=found.messages,
        unread_mentions=found.mentions,
        data=[UnreadConversation(id=key, unread=n, unread_mentions=m) for key, n, m in found.conversations],
    )


@api.declare("GET", CONVERSATION, auth=["user", "service"], answers={200: ConversationView}, problems=[404])
def get_conversation(caller: Principal, path: ConversationPath) -> ConversationView:
    """Look up a conversation."""
    return view_of(caller, path.conversation)


@api.declare("PATCH", CONVERSATION, auth=["user", "service"], answers={200: ConversationView}, problems=[404, 409])
def update_conversation(caller: Principal, path: ConversationPath, body: ChangedConversation) -> ConversationView:
    """Change a group's name, or what new members see. For its owner and moderators, and for services."""
    actions.update_conversation(context(), caller, path.conversation, body)
    return view_of(caller, path.conversation)


@api.declare("PATCH", f"{CONVERSATION}/settings", auth="user", answers={200: ConversationView}, problems=[404])
def set_conversation_settings(caller: Principal, path: ConversationPath, body: SettingsBody) -> ConversationView:
    """Choose which messages of a conversation are sent to the user by push and e-mail.

    All of them are on the user's pages, and count as unread.
    """
    changed = {name: getattr(body, name) for name in body.model_fields_set}
    if changed.get("notify", "all") is None:
        raise invalid("notify", "null", "must be all, mentions or none")
    until = changed.get("muted_until")
    if until is not None and until.tzinfo is None:
        raise invalid("muted_until", "timezone", "must have an offset, such as Z")
    [view] = conversation_views([actions.set_notify(context(), caller, path.conversation, changed)])
    return view
