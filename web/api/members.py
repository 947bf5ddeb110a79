"""Members of conversations: added, invited and removed by who manages the conversation; all can leave."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from actions import conversations as actions
from actions.conversations import require_conversation
from actions.principal import Principal
from carillon.chat import MAX_PARTICIPANTS
from carillon.fields import Strict, UserId
from models.conversations.queries import Member, list_members
from models.sql.engine import read
from web.api.conversations import ConversationView, view_of
from web.api.endpoint import Api
from web.api.fields import PAGE, Deleted, Limit, Moment, Page, Query, UserPath, View
from web.api.messages import CONVERSATION, ConversationPath
from web.context import context

api = Api("members", "Who is in a conversation.")

Role = Literal["owner", "moderator", "member", "invited"]


class MemberPath(ConversationPath, UserPath):
    """Names a member of a conversation."""


class MemberView(View):
    """A member, or who is invited."""

    user: str
    role: Role
    created_at: Moment = Field(description="Since when they are a member, or invited.")


class MemberPage(View):
    """Members, by their ids."""

    data: list[MemberView]
    page: Page


class MembersQuery(Query):
    """Which members."""

    after: UserId | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


class NewMembers(Strict):
    """Users by their ids."""

    users: Annotated[list[UserId], Field(min_length=1, max_length=MAX_PARTICIPANTS)]
    role: Role = Field("member", description="`invited`: they are no members until they join.")


class AddedMembers(View):
    """All named users are members now, or invited."""

    added: list[str] = Field(description="Those who were not before.")


class RoleBody(Strict):
    """What a member may do."""

    role: Literal["owner", "moderator", "member"]


def _view(member: Member) -> MemberView:
    return MemberView(user=member.user, role=member.role, created_at=member.created_at)


@api.declare("GET", f"{CONVERSATION}/members", auth=["user", "service"], answers={200: MemberPage}, problems=[404])
def list_conversation_members(caller: Principal, path: ConversationPath, query: MembersQuery) -> MemberPage:
    """List the members, and who is invited."""
    with read(context().engine) as connection:
        conversation = require_conversation(connection, caller, path.conversation)
        found = list_members(connection, conversation, after=query.after, limit=query.limit + 1)
    shown, more = found[: query.limit], len(found) > query.limit
    page = Page(next=shown[-1].user if more else None, has_more=more)
    return MemberPage(data=[_view(member) for member in shown], page=page)


@api.declare(
    "POST", f"{CONVERSATION}/members", auth=["user", "service"], answers={200: AddedMembers}, problems=[404, 409]
)
def add_conversation_members(caller: Principal, path: ConversationPath, body: NewMembers) -> AddedMembers:
    """Add users to a group, or invite them.

    For its owner and moderators, and for services; only an owner makes others owners and moderators. Who is a member
    already keeps their role.
    """
    return AddedMembers(added=actions.add_members(context(), caller, path.conversation, body.users, body.role))


@api.declare(
    "PATCH",
    f"{CONVERSATION}/members/<user>",
    auth=["user", "service"],
    answers={200: MemberView},
    problems=[404, 409],
)
def set_member_role(caller: Principal, path: MemberPath, body: RoleBody) -> MemberView:
    """Give a member another role. For the owners of a group, and for services."""
    return _view(actions.set_role(context(), caller, path.conversation, path.user, body.role))


@api.declare(
    "DELETE",
    f"{CONVERSATION}/members/<user>",
    auth=["user", "service"],
    answers={200: Deleted},
    problems=[404, 409],
)
def remove_conversation_member(caller: Principal, path: MemberPath) -> Deleted:
    """Remove a member or take an invitation back. Of oneself: leave the group, or decline.

    When the last owner leaves, the oldest moderator owns the group, or the oldest member.
    """
    actions.remove_member(context(), caller, path.conversation, path.user)
    return Deleted()


@api.declare("POST", f"{CONVERSATION}/join", auth="user", answers={200: ConversationView}, problems=[404, 409])
def join_conversation(caller: Principal, path: ConversationPath) -> ConversationView:
    """Accept an invitation."""
    actions.join(context(), caller, path.conversation)
    return view_of(caller, path.conversation)
