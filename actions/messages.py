"""Send, edit and delete messages, react to them, and say how far they were read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from actions.attachments import attach_files, describe_files
from actions.conversations import CHANGE, hold, lock_conversation, require_conversation
from actions.installation import Installation
from actions.principal import Principal, require_live
from actions.problems import Problem, idempotency_key_reused, invalid, not_found
from carillon.chat import ALL, ChangedMessage, NewMessage
from models.attachments.queries import detach
from models.conversations.queries import Conversation, Overview, find_members, overview_of
from models.ids import as_uuid
from models.messages import changes, queries, receipts, search, send
from models.messages.emoji import one_emoji
from models.messages.message import Message
from models.messages.receipts import Receipt
from models.messages.tokens import query
from models.sql.engine import read, write
from models.tenants.quotas import Quota
from models.users.queries import find_user

_MANAGERS = ("owner", "moderator")


def send_message(
    installation: Installation,
    caller: Principal,
    conversation: str,
    request: NewMessage,
    idempotency_key: str | None = None,
) -> send.Sent:
    """Send a message, or find the one that this request has sent before. Raises Problem (403, 404, 422, 429).

    A service sends as the system, or as the member whom it names as the sender.
    """
    require_live(caller, CHANGE)
    with write(installation.engine) as connection:
        # First of all, so that who is no member learns nothing of users and messages.
        require_conversation(connection, caller, conversation)
        sent = send_in(connection, installation, caller, conversation, request, idempotency_key)
        if not sent.replayed:
            installation.quotas.spend(caller.tenant, Quota.RECIPIENTS, 1, connection)
    # A replay rings too: the first request may have died between its commit and its bell.
    installation.bells.publish()
    return sent


def send_in(
    connection: Connection,
    installation: Installation,
    caller: Principal,
    conversation: str,
    request: NewMessage,
    idempotency_key: str | None = None,
) -> send.Sent:
    """Send a message in the caller's transaction; ring for `publish` after the commit. Raises Problem."""
    sender = _sender(caller, request)
    by_name = [user for user in dict.fromkeys(request.mentions) if user != ALL]
    others = [user for user in (sender, request.private_to) if user is not None]
    held = hold(connection, caller, [*by_name, *others])
    found = lock_conversation(connection, caller, conversation)
    users = {
        **_members(connection, found, [sender] if sender is not None else [], held, "sender"),
        **_members(connection, found, [request.private_to] if request.private_to else [], held, "private_to"),
        **_members(connection, found, by_name, held, "mentions"),
    }
    if request.private_to is not None and request.private_to == sender:
        raise invalid("private_to", "self", "must be another member than the sender")
    to_all = ALL in request.mentions
    _check_mentions(found, caller, request.mentions, request.private_to)
    reply = _reply(connection, found, sender, request)
    data = {
        "reply_to": str(reply.id) if reply is not None else None,
        "mentions": list(dict.fromkeys(request.mentions)),
        "media_url": request.media_url,
        "temp_id": request.temp_id,
        "attachments": describe_files(connection, found, request.attachments, users.get(sender or "")),
    }
    new = send.NewMessage(
        sender=sender,
        kind=request.type or ("system" if sender is None else "text"),
        content=request.content,
        users=users,
        data={name: value for name, value in data.items() if value},
        mentioned=by_name,
        mentions_all=to_all,
        target=request.private_to,
        reply_to=reply.no if reply is not None else None,
        request_key=_request_key(caller, users.get(sender or ""), request, idempotency_key),
        request_sha256=request.sha256(),
    )
    sent = send.send(connection, found, new, installation.now())
    if not sent.same_body:
        if idempotency_key is None:
            detail = "this temp_id was used for another message: send the same one, or use another temp_id"
            raise Problem(422, "idempotency_key_reused", detail)
        raise idempotency_key_reused()
    attach_files(connection, found, request.attachments, users.get(sender or ""), sent)
    return sent


def edit_message(
    installation: Installation, caller: Principal, conversation: str | None, message: str, request: ChangedMessage
) -> Message:
    """Change what a message says. Raises Problem (403, 404, 409, 422)."""
    require_live(caller, CHANGE)
    with write(installation.engine) as connection:
        names = request.mentions or []
        by_name = [user for user in dict.fromkeys(names) if user != ALL]
        held = hold(connection, caller, by_name)
        found, theirs = _lock_message(connection, caller, conversation, message)
        if not _is_own(caller, theirs):
            raise Problem(403, "not_yours", "only the sender can edit a message")
        _require_there(theirs)
        if not request.content.strip() and not theirs.data.keys() & {"media_url", "attachments"}:
            raise invalid("content", "blank", "must not be blank: delete the message instead")
        data = dict(theirs.data)
        users = _members(connection, found, by_name, held, "mentions")
        if request.mentions is not None:
            _check_mentions(found, caller, names, theirs.private_to if theirs.is_private else None)
            data.pop("mentions", None)
            data |= {"mentions": list(dict.fromkeys(names))} if names else {}
        mentioned = [user_id for user, user_id in users.items() if user != theirs.sender]
        edited = changes.edit(
            connection, found, theirs, request.content, data, mentioned, ALL in names, installation.now()
        )
        installation.quotas.spend(caller.tenant, Quota.RECIPIENTS, 1, connection)
    installation.bells.publish()
    return edited


def delete_message(
    installation: Installation, caller: Principal, conversation: str | None, message: str, *, for_everyone: bool
) -> Message:
    """Delete a message, for everyone or for the user who asks. Raises Problem (403, 404, 422)."""
    require_live(caller, CHANGE)
    with write(installation.engine) as connection:
        held = hold(connection, caller, [])
        found, theirs = _lock_message(connection, caller, conversation, message)
        if for_everyone:
            moderates = found.kind == "group" and found.member is not None and found.member.role in _MANAGERS
            if caller.kind == "user" and not moderates and not _is_own(caller, theirs):
                detail = "only the sender, and the owner and moderators of a group, can delete a message for everyone"
                raise Problem(403, "not_yours", detail)
            theirs = changes.delete_for_everyone(connection, found, theirs, installation.now())
            detach(connection, found.room_id, theirs.no, installation.now())
        elif caller.kind != "user":
            raise invalid("for", "everyone", "must be everyone: a service has no messages of its own to hide")
        else:
            changes.hide(connection, found, theirs, held[caller.id], caller.id, installation.now())
        installation.quotas.spend(caller.tenant, Quota.RECIPIENTS, 1, connection)
    installation.bells.publish()
    return theirs


def react(
    installation: Installation, caller: Principal, conversation: str | None, message: str, emoji: str, on: bool
) -> Message:
    """React to a message with an emoji, or take the reaction back. Raises Problem (404, 409, 422)."""
    known = one_emoji(emoji)
    if known is None:
        raise invalid("emoji", "emoji", "must be one emoji")
    with write(installation.engine) as connection:
        held = hold(connection, caller, [])
        found, theirs = _lock_message(connection, caller, conversation, message)
        _require_there(theirs)
        try:
            changed = changes.react(connection, found, theirs, held[caller.id], known, on, installation.now())
        except changes.TooManyEmoji as error:
            detail = f"a message has at most {changes.MAX_EMOJI} different reactions: use one of them"
            raise Problem(409, "too_many_reactions", detail) from error
        installation.quotas.spend(caller.tenant, Quota.RECIPIENTS, 1, connection)
    installation.bells.publish()
    return changed


def mark(
    installation: Installation,
    caller: Principal,
    conversation: str | None,
    receipt: Receipt,
    *,
    message: str | None = None,
    no: int | None = None,
) -> Overview:
    """Say that the user has received or read all messages up to one, by its id or number; if neither is given, all.

    A position never moves back. Raises Problem (404).
    """
    with write(installation.engine) as connection:
        if message is not None:
            conversation, theirs = _find_message(connection, caller, conversation, message)
            no = theirs.no
        key = conversation or ""
        if receipts.mark(connection, caller.tenant, key, caller.id, receipt, no, installation.now()) is None:
            raise not_found("conversation")
        overview = overview_of(connection, caller.tenant, caller.id, key)
    if overview is None:
        raise not_found("conversation")
    installation.bells.publish()
    return overview


class Receipts(NamedTuple):
    """Who has received a message: how many, how many of them have read it, and a page of them."""

    delivered: int
    read: int
    page: list[tuple[str, queries.Status]]


def receipts_of(
    installation: Installation, caller: Principal, conversation: str, message: str, after: str | None, limit: int
) -> Receipts:
    """Who has received and read a message, by their ids. Raises Problem (404)."""
    with read(installation.engine) as connection:
        found = require_conversation(connection, caller, conversation)
        theirs = _require_message(connection, found, message)
        delivered, seen = queries.count_receipts(connection, found, theirs)
        return Receipts(delivered, seen, queries.receipts(connection, found, theirs, after=after, limit=limit))


def find_message(installation: Installation, caller: Principal, conversation: str, message: str) -> Message:
    """A message that the caller may see. Raises Problem (404)."""
    with read(installation.engine) as connection:
        return _require_message(connection, require_conversation(connection, caller, conversation), message)


def list_messages(
    installation: Installation,
    caller: Principal,
    conversation: str,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int,
) -> list[Message]:
    """Messages that the caller may see, below a number, newest first; or above one, oldest first. Raises Problem."""
    with read(installation.engine) as connection:
        found = require_conversation(connection, caller, conversation)
        return queries.page(connection, found, before=before, after=after, limit=limit)


def search_messages(
    installation: Installation,
    caller: Principal,
    asked: str,
    *,
    conversation: str | None = None,
    after: str | None = None,
    limit: int,
) -> list[Message]:
    """Messages that contain what is asked for, in one conversation of the user or in all, newest first.

    `after`: older ones than the message with this id. Raises Problem (404, 422).
    """
    before = as_uuid(after) if after is not None else None
    if after is not None and before is None:
        raise invalid("after", "cursor", "is not the `next` of a page")
    with read(installation.engine) as connection:
        room_id = require_conversation(connection, caller, conversation).room_id if conversation is not None else None
        user = find_user(connection, caller.tenant, caller.id)
        if user is None:
            return []
        found = search.search(
            connection, caller.tenant, user.id, query(asked), room_id=room_id, before=before, limit=limit
        )
        return queries.read_found(connection, [one.id for one in found], user.id)


def _sender(caller: Principal, request: NewMessage) -> str | None:
    if caller.kind != "user":
        if request.type == "system" and request.sender is not None:
            raise invalid("type", "system", "a system message has no sender")
        return request.sender
    if request.sender not in (None, caller.id):
        raise invalid("sender", "not_yours", "only services send messages for others")
    if request.type == "system":
        raise invalid("type", "system", "only services send system messages")
    return caller.id


def _members(
    connection: Connection, found: Conversation, names: Sequence[str], held: dict[str, int], field: str
) -> dict[str, int]:
    """The row ids of these members. Raises Problem (422) if one of them is none."""
    theirs = find_members(connection, found, [user for user in names if user in held]) if names else {}
    for user in names:
        if user not in theirs or theirs[user].role == "invited":
            raise invalid(field, "not_a_member", f"{user} is not a member of the conversation")
    return {user: member.user_id for user, member in theirs.items()}


def _check_mentions(found: Conversation, caller: Principal, mentions: Sequence[str], private_to: str | None) -> None:
    if private_to is not None and set(mentions) - {private_to, caller.id}:
        raise invalid("mentions", "private", "a private message can mention nobody but its target")
    # It passes by what everybody has muted. In a direct conversation it says no more than a name.
    if ALL in mentions and found.kind == "group" and found.member is not None and found.member.role not in _MANAGERS:
        raise Problem(403, "role", f"{ALL} is for the owner or moderator of the conversation")


def _reply(connection: Connection, found: Conversation, sender: str | None, request: NewMessage) -> Message | None:
    if request.reply_to is None:
        return None
    message_id = as_uuid(request.reply_to)
    reply = queries.find(connection, found, message_id) if message_id is not None else None
    if reply is None:
        raise invalid("reply_to", "not_known", "there is no such message in the conversation")
    # Else the id of a private message would be told to others.
    if reply.is_private and not {sender, request.private_to} - {None} <= set(reply.audience or ()):
        raise invalid("reply_to", "private", "a private message can be answered to its sender or target only")
    if reply.is_private and request.private_to is None:
        raise invalid("reply_to", "private", "the answer to a private message must be private too: give private_to")
    return reply


def _request_key(
    caller: Principal, sender_id: int | None, request: NewMessage, idempotency_key: str | None
) -> str | None:
    if idempotency_key is not None:
        whose = f"user {caller.id}" if caller.kind == "user" else "service"
        return "key:" + hashlib.sha256(f"{whose}\n{idempotency_key}".encode()).hexdigest()
    return f"{sender_id or ''}:{request.temp_id}" if request.temp_id is not None else None


def _find_message(
    connection: Connection, caller: Principal, conversation: str | None, message: str
) -> tuple[str, Message]:
    key = _conversation_of(connection, caller, conversation, message)
    return key, _require_message(connection, require_conversation(connection, caller, key), message)


def _lock_message(
    connection: Connection, caller: Principal, conversation: str | None, message: str
) -> tuple[Conversation, Message]:
    found = lock_conversation(connection, caller, _conversation_of(connection, caller, conversation, message))
    return found, _require_message(connection, found, message)


def _conversation_of(connection: Connection, caller: Principal, conversation: str | None, message: str) -> str:
    """The conversation that was named, or that of the message. Raises Problem (404)."""
    if conversation is not None:
        return conversation
    message_id = as_uuid(message)
    key = queries.conversation_of(connection, caller.tenant, message_id) if message_id is not None else None
    if key is None:
        raise not_found("message")
    try:
        require_conversation(connection, caller, key)
    except Problem as error:
        raise not_found("message") from error
    return key


def _require_message(connection: Connection, found: Conversation, message: str) -> Message:
    message_id = as_uuid(message)
    theirs = queries.find(connection, found, message_id) if message_id is not None else None
    if theirs is None:
        raise not_found("message")
    return theirs


def _is_own(caller: Principal, message: Message) -> bool:
    if caller.kind == "user":
        return message.sender == caller.id
    # A message of a user who was deleted has no sender either.
    return message.sender is None and message.kind == "system"


def _require_there(message: Message) -> None:
    if message.deleted_at is not None:
        raise Problem(409, "message_deleted", "the message was deleted for everyone")
