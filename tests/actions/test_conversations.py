"""Conversations: who is in them, what they may do, and who is told."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from actions import conversations, messages
from actions.installation import Installation
from actions.users import delete_user
from carillon.chat import ChangedConversation, NewConversation
from models.conversations.queries import count_unread, find, find_member, list_of
from models.conversations.tables import conversations as table
from models.conversations.tables import members
from models.rooms.tables import rooms
from models.sql.engine import read
from tests.chat import CROWD, SERVICE, direct, group, refusal, say, seen, system, told, unread, user
from tests.factories import create_tenant


def role(chat: Installation, conversation: str, name: str) -> str | None:
    with read(chat.engine) as connection:
        found = find_member(connection, find(connection, "acme", conversation), name)
        return found.role if found else None


def test_there_is_one_direct_conversation_for_each_pair(chat: Installation) -> None:
    first = direct(chat, "ann", "bob")
    assert first.new
    assert direct(chat, "bob", "ann") == (first.id, False)
    assert direct(chat, "ann", "cas").id != first.id
    for wrong in (["ann"], ["bob", "cas"], []):
        request = NewConversation(type="direct", participants=wrong)
        assert refusal(conversations.create_conversation, chat, user("ann"), request) == (422, "validation")


def test_two_that_begin_a_direct_conversation_at_once_begin_the_same(chat: Installation) -> None:
    with ThreadPoolExecutor(4) as pool:
        begun = list(pool.map(lambda pair: direct(chat, *pair), [("ann", "bob"), ("bob", "ann")] * 8))
    assert len({one.id for one in begun}) == 1
    assert sum(one.new for one in begun) == 1
    with read(chat.engine) as connection:
        assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 1
        assert connection.execute(select(func.count()).where(rooms.c.kind == "conversation")).scalar_one() == 1


def test_an_id_makes_a_conversation_safe_to_begin_again(chat: Installation) -> None:
    own = group(chat, "ann", "bob", id="order 7")
    assert own == "order 7" == group(chat, "ann", "bob", id="order 7")
    request = NewConversation(type="group", participants=["ann"], id="0197f3a2-5c1e-7cc3-98c4-dc0c0c07398f")
    assert conversations.create_conversation(chat, user("ann"), request).new
    assert not conversations.create_conversation(chat, user("ann"), request).new
    assert refusal(conversations.create_conversation, chat, user("bob"), request) == (409, "id_in_use")
    guessed = NewConversation(type="group", participants=[], id="order 7")
    assert refusal(conversations.create_conversation, chat, user("cas"), guessed) == (422, "validation")


def test_users_begin_conversations_with_users_that_there_are(chat: Installation) -> None:
    request = NewConversation(type="group", participants=["bob", "nobody"])
    assert refusal(conversations.create_conversation, chat, user("ann"), request) == (422, "validation")
    # The user of a new token, and whoever a service names, are created.
    conversations.create_conversation(chat, user("new"), NewConversation(type="group", participants=["bob"]))
    assert role(chat, group(chat, "newer", "bob"), "newer") == "owner"


def test_everybody_is_told_of_a_new_conversation(chat: Installation) -> None:
    key = group(chat, "ann", "bob", name="Garden")
    for name in ("ann", "bob"):
        types = [type_ for type_, _ in told(chat.engine, f"user:{name}")]
        assert types == ["chat:conversation:joined", "chat:conversation:created"]
    _, said = told(chat.engine, "user:bob")[-1]
    assert said["createdAt"].endswith("Z")
    assert said == {
        "conversationId": key,
        "id": key,
        "type": "group",
        "name": "Garden",
        "history": "shared",
        "participants": ["ann", "bob"],
        "memberCount": 2,
        "createdBy": "ann",
        "createdAt": said["createdAt"],
    }
    assert told(chat.engine, "user:cas") == []


def test_members_come_and_go_and_the_others_hear_of_it(chat: Installation) -> None:
    key = group(chat, "ann", "bob")
    assert conversations.add_members(chat, user("ann"), key, ["bob", "cas", "dot"]) == ["cas", "dot"]
    conversations.remove_member(chat, user("ann"), key, "cas")
    conversations.remove_member(chat, user("dot"), key, "dot")
    conversations.set_role(chat, user("ann"), key, "bob", "moderator")
    conversations.update_conversation(chat, user("bob"), key, ChangedConversation(name="Two"))
    heard = [
        (type_, said.get("userKeys"), said.get("memberCount"))
        for type_, said in told(chat.engine, f"conversation:{key}")
    ]
    assert heard == [
        ("chat:member:added", ["cas", "dot"], 4),
        ("chat:member:removed", ["cas"], 3),
        ("chat:member:removed", ["dot"], 2),
        ("chat:member:changed", ["bob"], 2),
        ("chat:conversation:updated", None, None),
    ]
    assert [type_ for type_, _ in told(chat.engine, "user:cas")] == [
        "chat:conversation:joined",
        "chat:conversation:left",
    ]
    with read(chat.engine) as connection:
        found = connection.execute(select(table.c.members_version, table.c.member_count)).one()
    assert found == (5, 2)


def test_who_is_no_member_finds_nothing(chat: Installation) -> None:
    create_tenant(chat.engine, "umbra")
    key = group(chat, "ann", "bob")
    message = str(say(chat, key, "ann").id)
    for caller in (user("cas"), user("ann", "umbra"), user("nobody")):
        for work, args in (
            (conversations.look_at, [key]),
            (conversations.add_members, [key, ["cas"]]),
            (conversations.remove_member, [key, "ann"]),
            (conversations.set_role, [key, "ann", "member"]),
            (conversations.join, [key]),
            (conversations.update_conversation, [key, ChangedConversation(name="Mine")]),
            (messages.list_messages, [key]),
            (messages.find_message, [key, message]),
        ):
            named = {"limit": 10} if work is messages.list_messages else {}
            assert refusal(work, chat, caller, *args, **named) == (404, "not_found")


def test_roles_say_who_may_do_what(chat: Installation) -> None:
    key = group(chat, "ann", "bob", "cas")
    conversations.set_role(chat, user("ann"), key, "bob", "moderator")
    for work, caller, *args in (
        (conversations.add_members, "cas", ["dot"]),
        (conversations.remove_member, "cas", "bob"),
        (conversations.remove_member, "bob", "ann"),
        (conversations.set_role, "bob", "cas", "moderator"),
        (conversations.add_members, "bob", ["dot"], "moderator"),
        (conversations.update_conversation, "cas", ChangedConversation(name="Mine")),
    ):
        assert refusal(work, chat, user(caller), key, *args) == (403, "role")
    conversations.remove_member(chat, user("bob"), key, "cas")
    assert refusal(conversations.remove_member, chat, user("bob"), key, "cas") == (404, "not_found")
    assert refusal(conversations.set_role, chat, user("ann"), key, "ann", "member") == (409, "last_owner")
    two = direct(chat, "ann", "bob").id
    assert refusal(conversations.add_members, chat, user("ann"), two, ["cas"]) == (409, "direct_conversation")
    assert refusal(conversations.remove_member, chat, user("ann"), two, "ann") == (409, "direct_conversation")


def test_the_oldest_moderator_or_member_inherits_what_the_last_owner_leaves(chat: Installation) -> None:
    key = group(chat, "ann", "bob", "cas", "dot")
    conversations.set_role(chat, user("ann"), key, "cas", "moderator")
    conversations.remove_member(chat, user("ann"), key, "ann")
    assert [role(chat, key, name) for name in CROWD] == [None, "member", "owner", "member"]
    delete_user(chat, SERVICE, "cas")
    assert [role(chat, key, name) for name in CROWD] == [None, "owner", None, "member"]
    changed = [said for type_, said in told(chat.engine, f"conversation:{key}") if type_ == "chat:member:changed"]
    assert [(said["userKeys"], said["role"], said["conversationId"]) for said in changed][1:] == [
        (["cas"], "owner", key),
        (["bob"], "owner", key),
    ]


def test_who_is_invited_sees_nothing_until_they_join(chat: Installation) -> None:
    key = group(chat, "ann", "bob")
    say(chat, key, "ann")
    assert conversations.add_members(chat, user("ann"), key, ["cas", "dot"], "invited") == ["cas", "dot"]
    assert [type_ for type_, _ in told(chat.engine, "user:cas")] == ["chat:conversation:invited"]
    assert conversations.look_at(chat, user("cas"), key).conversation.member_count == 2
    assert unread(chat, key, "cas") == (0, 0)
    assert refusal(messages.list_messages, chat, user("cas"), key, limit=1) == (404, "not_found")
    assert refusal(say, chat, key, "cas") == (404, "not_found")
    conversations.join(chat, user("cas"), key)
    conversations.join(chat, user("cas"), key)
    conversations.remove_member(chat, user("dot"), key, "dot")
    assert seen(chat, key, "cas") == ["Hello"]
    assert [role(chat, key, name) for name in CROWD] == ["owner", "member", "member", None]
    assert conversations.look_at(chat, user("cas"), key).conversation.member_count == 3


@pytest.mark.parametrize(
    ("history", "added", "invited"),
    [("shared", "123", "123"), ("joined", "3", "3"), ("invited", "3", "23")],
)
def test_history_begins_where_the_conversation_says(chat: Installation, history: str, added: str, invited: str) -> None:
    key = group(chat, "ann", "bob", history=history)
    say(chat, key, "ann", "1")
    conversations.add_members(chat, user("ann"), key, ["cas"], "invited")
    say(chat, key, "ann", "2")
    conversations.add_members(chat, user("ann"), key, ["dot"])
    conversations.join(chat, user("cas"), key)
    # Nobody owes it to a group to read what was said before they came.
    assert unread(chat, key, "dot") == unread(chat, key, "cas") == (0, 0)
    say(chat, key, "ann", "3")
    assert unread(chat, key, "dot") == unread(chat, key, "cas") == (1, 0)
    assert seen(chat, key, "dot") == list(added)
    assert seen(chat, key, "cas") == list(invited)


def test_a_removed_member_who_comes_back_sees_what_a_new_one_sees(chat: Installation) -> None:
    key = group(chat, "ann", "bob", history="joined")
    say(chat, key, "bob", "mine")
    conversations.remove_member(chat, user("ann"), key, "bob")
    say(chat, key, "ann", "without bob")
    conversations.add_members(chat, user("ann"), key, ["bob"])
    say(chat, key, "ann", "with bob")
    assert seen(chat, key, "bob") == ["with bob"]


def test_a_deleted_user_leaves_all_conversations_and_a_direct_one_stays_for_the_other(chat: Installation) -> None:
    two = direct(chat, "ann", "bob").id
    key = group(chat, "cas", "ann", "bob")
    say(chat, two, "ann", "for bob")
    say(chat, key, "cas", "only ann", private_to="ann")
    say(chat, key, "cas", "later")
    delete_user(chat, SERVICE, "ann")
    assert seen(chat, two, "bob") == ["for bob"]
    say(chat, two, "bob", "still here")
    assert role(chat, key, "ann") is None
    assert [said["memberCount"] for type_, said in told(chat.engine, f"conversation:{key}") if "removed" in type_] == [
        2
    ]
    # The message to ann is gone, also from its event, and is still no gap in the numbers.
    assert "only ann" not in str(told(chat.engine, f"conversation:{key}"))
    assert seen(chat, key, "bob") == seen(chat, key, "cas") == ["", "later"]
    assert unread(chat, key, "bob") == (1, 0)
    # Another person with the same id is another pair.
    assert conversations.create_conversation(
        chat, SERVICE, NewConversation(type="direct", participants=["ann", "bob"])
    ).new


def test_lists_begin_with_what_was_said_last_and_count_what_is_unread(chat: Installation) -> None:
    first, second, third = (group(chat, "ann", "bob", name=name) for name in ("one", "two", "three"))
    say(chat, first, "ann", mentions=["bob"])
    say(chat, second, "ann")
    system(chat, second)
    with read(chat.engine) as connection:
        found = list_of(connection, "acme", "bob", limit=10)
        assert [(one.conversation.name, one.unread, one.unread_mentions) for one in found] == [
            ("two", 2, 0),
            ("one", 1, 1),
            ("three", 0, 0),
        ]
        last = found[0].conversation
        after = (last.last_message_at or last.created_at, last.id)
        assert [one.conversation.id for one in list_of(connection, "acme", "bob", after=after, limit=10)] == [
            first,
            third,
        ]
        total = count_unread(connection, "acme", "bob")
    assert (total.messages, total.mentions) == (3, 1)
    assert sorted(total.conversations) == sorted([(first, 1, 1), (second, 2, 0)])


def test_a_conversation_has_at_most_so_many_members(chat: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.conversations.members.MAX_MEMBERS", 3)
    key = group(chat, "ann", "bob")
    assert refusal(conversations.add_members, chat, user("ann"), key, ["cas", "dot"]) == (409, "conversation_full")
    conversations.add_members(chat, user("ann"), key, ["bob", "cas"])
    with read(chat.engine) as connection:
        assert connection.execute(select(func.count()).select_from(members)).scalar_one() == 3
