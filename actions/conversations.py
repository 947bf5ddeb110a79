"""Begin and change conversations; members come, go, and choose what they hear. Services manage all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from actions.installation import Installation
from actions.principal import Principal, require_live
from actions.problems import Problem, id_in_use, invalid, not_found
from carillon.chat import ChangedConversation, NewConversation
from models.conversations import create, members
from models.conversations.queries import Conversation, Member, Notify, Overview, find, find_member, lock, overview_of
from models.ids import as_uuid
from models.sql.engine import read, write
from models.tenants.quotas import Quota
from models.users.queries import Person, hold_users, upsert_users

# A key that is used to try something out must not reach people's pages.
CHANGE = "change conversations"

# The error names at most this many unknown users.
_NAMED = 5


class Begun(NamedTuple):
    """A conversation, and whether it is new."""

    id: str
    new: bool


def member_of(caller: Principal) -> str | None:
    """As which user the caller looks at conversations; None for services, which see all of their tenant's."""
    return caller.id if caller.kind == "user" else None


def require_conversation(connection: Connection, caller: Principal, conversation: str) -> Conversation:
    """Find a conversation that the caller may read. Raises Problem (404)."""
    return _readable(find(connection, caller.tenant, conversation, member_of(caller)))


def lock_conversation(
    connection: Connection, caller: Principal, conversation: str, with_rooms_of: Sequence[int] = ()
) -> Conversation:
    """Lock a conversation that the caller may read. Raises Problem (404)."""
    return _readable(lock(connection, caller.tenant, conversation, member_of(caller), with_rooms_of))


def hold(connection: Connection, caller: Principal, users: Iterable[str]) -> dict[str, int]:
    """The row ids of these users and of the user who asks, who cannot be deleted until the commit."""
    me = [caller.id] if caller.kind == "user" else []
    return hold_users(connection, caller.tenant, [*users, *me])


def create_conversation(installation: Installation, caller: Principal, request: NewConversation) -> Begun:
    """Begin a conversation, or find the one of the pair or with the id. Raises Problem (403, 404, 409, 422, 429)."""
    require_live(caller, CHANGE)
    now = installation.now()
    owner = _owner(caller, request)
    names = list(dict.fromkeys([*([owner] if owner is not None else []), *request.participants]))
    if request.type == "direct" and len(names) != 2:
        raise invalid("participants", "pair", "a direct conversation is one of exactly two users")
    if request.type == "direct" and request.name is not None:
        raise invalid("name", "direct", "a direct conversation has no name: leave it out")
    with write(installation.engine) as connection:
        ids = _people(connection, installation, caller, names, now)
        new = create.NewConversation(
            tenant_id=caller.tenant,
            kind=request.type,
            members=ids,
            owner=owner if request.type == "group" else None,
            id=request.id,
            name=request.name,
            history="shared" if request.type == "direct" else request.history,
            by=owner,
        )
        key, is_new = create.create(connection, new, now)
        if is_new:
            installation.quotas.spend(caller.tenant, Quota.RECIPIENTS, len(names), connection)
        elif find(connection, caller.tenant, key, member_of(caller)) is None:
            raise id_in_use()
    # A repeated request rings too: the first may have ended between its commit and its bell.
    installation.bells.publish()
    return Begun(key, is_new)


def update_conversation(
    installation: Installation, caller: Principal, conversation: str, request: ChangedConversation
) -> None:
    """Change the name, or what new members see. Raises Problem (403, 404, 409)."""
    require_live(caller, CHANGE)
    changed = {name: getattr(request, name) for name in request.model_fields_set}
    if "history" in changed and changed["history"] is None:
        raise invalid("history", "null", "must be shared, joined or invited")
    with write(installation.engine) as connection:
        found = lock_conversation(connection, caller, conversation)
        _require_group(found)
        _require_role(found, "owner", "moderator")
        if any(getattr(found, name) != value for name, value in changed.items()):
            members.update_conversation(connection, found, changed, installation.now(), member_of(caller))
            installation.quotas.spend(caller.tenant, Quota.RECIPIENTS, 1, connection)
    installation.bells.publish()


def add_members(
    installation: Installation,
    caller: Principal,
    conversation: str,
    users: Sequence[str],
    role: Literal["owner", "moderator", "member", "invited"] = "member",
) -> list[str]:
    """Add users, or invite them. Returns who was no member before. Raises Problem (403, 404, 409, 422)."""
    require_live(caller, CHANGE)
    now = installation.now()
    names = list(dict.fromkeys(users))
    with write(installation.engine) as connection:
        # First of all, so that who is no member does not learn which users there are.
        require_conversation(connection, caller, conversation)
        ids = _people(connection, installation, caller, names, now)
        found = lock_conversation(connection, caller, conversation, list(ids.values()))
        _require_group(found)
        _require_role(found, "owner", *(["moderator"] if role in ("member", "invited") else []))
        named = {user: ids[user] for user in names}
        try:
            new = members.add(connection, found, named, role, now, member_of(caller))
        except members.Full as error:
            raise _full() from error
        installation.quotas.spend(caller.tenant, Quota.RECIPIENTS, len(new), connection)
    installation.bells.publish()
    return new


def join(installation: Installation, caller: Principal, conversation: str) -> None:
    """Accept an invitation. Of a member, it changes nothing. Raises Problem (404)."""
    with write(installation.engine) as connection:
        ids = hold(connection, caller, [])
        found = lock(connection, caller.tenant, conversation, caller.id, list(ids.values()))
        if found is None:
            raise not_found("conversation")
        try:
            members.add(connection, found, ids, "member", installation.now(), caller.id)
        except members.Full as error:
            raise _full() from error
    installation.bells.publish()


def remove_member(installation: Installation, caller: Principal, conversation: str, user: str) -> None:
    """Remove a member or take an invitation back; of oneself, leave or decline. Raises Problem (403, 404, 409)."""
    require_live(caller, CHANGE)
    with write(installation.engine) as connection:
        ids = hold(connection, caller, [user])
        found = lock(connection, caller.tenant, conversation, member_of(caller), list(ids.values()))
        if found is None or (found.member and found.member.role == "invited" and user != caller.id):
            raise not_found("conversation")
        _require_group(found)
        theirs = find_member(connection, found, user)
        if user != member_of(caller):
            over_members = theirs is None or theirs.role in ("member", "invited")
            _require_role(found, "owner", *(["moderator"] if over_members else []))
        if theirs is None:
            raise not_found("member")
        members.remove(connection, found, user, installation.now(), member_of(caller))
    installation.bells.publish()


def set_role(
    installation: Installation,
    caller: Principal,
    conversation: str,
    user: str,
    role: Literal["owner", "moderator", "member"],
) -> Member:
    """Change what a member may do. Raises Problem (403, 404, 409)."""
    require_live(caller, CHANGE)
    with write(installation.engine) as connection:
        found = lock_conversation(connection, caller, conversation)
        _require_group(found)
        _require_role(found, "owner")
        theirs = find_member(connection, found, user)
        if theirs is None or theirs.role == "invited":
            raise not_found("member")
        try:
            members.set_role(connection, found, user, role, installation.now(), member_of(caller))
        except members.LastOwner as error:
            detail = "the conversation would have no owner: make somebody else one first"
            raise Problem(409, "last_owner", detail) from error
        changed = find_member(connection, found, user)
    installation.bells.publish()
    return changed or theirs


def set_notify(
    installation: Installation, caller: Principal, conversation: str, changed: Mapping[str, Notify | datetime | None]
) -> Overview:
    """Choose which messages the caller is pushed and mailed. Raises Problem (404)."""
    with write(installation.engine) as connection:
        found = lock_conversation(connection, caller, conversation)
        if found.member is not None and changed:
            members.set_notify(connection, found, found.member.user_id, changed)
        overview = overview_of(connection, caller.tenant, caller.id, conversation)
    if overview is None:
        raise not_found("conversation")
    return overview


def look_at(installation: Installation, caller: Principal, conversation: str) -> Overview:
    """A conversation as the caller sees it, who is a member, or invited. Raises Problem (404)."""
    with read(installation.engine) as connection:
        user = member_of(caller)
        if user is not None:
            found = overview_of(connection, caller.tenant, user, conversation)
        else:
            theirs = find(connection, caller.tenant, conversation)
            found = Overview(theirs, 0, 0) if theirs is not None else None
    if found is None:
        raise not_found("conversation")
    return found


def require_known(names: Sequence[str], known: Mapping[str, int], field: str) -> None:
    """Raise Problem (422) that names those who are no users."""
    unknown = [user for user in names if user not in known]
    if unknown:
        more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
        raise invalid(field, "not_known", f"there are no users {', '.join(unknown[:_NAMED])}{more}")


def _owner(caller: Principal, request: NewConversation) -> str | None:
    if caller.kind != "user":
        return request.created_by
    if request.created_by not in (None, caller.id):
        raise invalid("created_by", "not_yours", "only services begin conversations for others")
    # The ids of services can be guessed; that one is in use would tell that there is such a conversation.
    if request.id is not None and as_uuid(request.id) is None:
        raise invalid("id", "uuid", "must be a UUID, or left out; only services choose other ids")
    return caller.id


def _people(
    connection: Connection, installation: Installation, caller: Principal, names: Sequence[str], now: datetime
) -> dict[str, int]:
    """The row ids of these users, and of the one who asks, held until the commit. Services create those who are new."""
    new = [caller.id] if caller.kind == "user" else names
    installation.quotas.require_users(connection, caller.tenant, new)
    upsert_users(connection, caller.tenant, map(Person, new), now)
    ids = hold(connection, caller, names)
    require_known(names, ids, "participants")
    return {user: ids[user] for user in dict.fromkeys([*names])}


def _readable(found: Conversation | None) -> Conversation:
    if found is None or (found.member is not None and found.member.role == "invited"):
        raise not_found("conversation")
    return found


def _require_group(found: Conversation) -> None:
    if found.kind == "direct":
        detail = "a direct conversation keeps its two members and has no name: begin a group"
        raise Problem(409, "direct_conversation", detail)


def _require_role(found: Conversation, *roles: str) -> None:
    if found.member is not None and found.member.role not in roles:
        raise Problem(403, "role", f"this is for the {' or '.join(roles)} of the conversation")


def _full() -> Problem:
    return Problem(409, "conversation_full", f"a conversation has at most {members.MAX_MEMBERS} members")
