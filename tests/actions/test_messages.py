"""Messages: sent once, seen by whom they are for, changed by whom they are from, and read up to a number."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from actions import conversations, messages
from actions.installation import Installation, utc_now
from carillon.chat import NewMessage
from models.conversations.tables import conversations as table
from models.events.publishing import append_staged
from models.events.tables import events
from models.messages.changes import MAX_EMOJI, purge_versions
from models.messages.emoji import one_emoji
from models.messages.message import message_event
from models.messages.tables import mentions, message_versions
from models.rooms.names import room_is
from models.rooms.tables import rooms
from models.sql.engine import read, write
from tests.chat import SERVICE, direct, edit, group, refusal, say, seen, told, unread, user


def room(key: str) -> str:
    return f"conversation:{key}"


def audiences(engine: Engine, key: str) -> list[Any]:
    with read(engine) as connection:
        of_room = select(events.c.audience).join(rooms, rooms.c.id == events.c.room_id)
        return list(connection.execute(of_room.where(room_is("acme", room(key))).order_by(events.c.seq)).scalars())


def flush(chat: Installation) -> None:
    """Let the windows end."""
    with write(chat.engine) as connection:
        append_staged(connection, utc_now() + timedelta(seconds=2), 100)


def last(chat: Installation, key: str) -> tuple[str, dict[str, Any]]:
    return told(chat.engine, room(key))[-1]


def replayed(chat: Installation, key: str) -> str:
    """All that a client that was away would receive of the conversation."""
    with read(chat.engine) as connection:
        of_room = select(events.c.data).join(rooms, rooms.c.id == events.c.room_id)
        rows = connection.execute(of_room.where(room_is("acme", room(key)), events.c.expires_at > utc_now()))
        return str(rows.scalars().all())


def test_a_message_is_one_event_with_a_number_of_its_own(chat: Installation) -> None:
    key = group(chat, "ann", "bob")
    first = say(chat, key, "ann", "Hello", temp_id="t1")
    second = say(chat, key, "bob", "Hi", reply_to=str(first.id), mentions=["ann"])
    picture = say(chat, key, "ann", "", type="image", media_url="https://shop.example/cat.png")
    assert [first.no, second.no, picture.no] == [1, 2, 3]
    assert told(chat.engine, room(key)) == [("chat:message", message_event(one)) for one in (first, second, picture)]
    assert message_event(second) == {
        "messageId": str(second.id),
        "id": str(second.id),
        "conversationId": key,
        "groupId": key,
        "no": 2,
        "senderKey": "bob",
        "userId": "bob",
        "content": "Hi",
        "type": "text",
        "status": "sent",
        "replyTo": str(first.id),
        "mentions": ["ann"],
        "mediaUrl": None,
        "attachments": [],
        "isPrivate": False,
        "targetUserId": None,
        "createdAt": message_event(second)["createdAt"],
        "tempId": None,
    }
    assert message_event(first)["tempId"] == "t1"


def test_numbers_have_no_gaps_when_many_send_at_once(chat: Installation) -> None:
    key = group(chat, "ann", "bob", "cas", "dot")
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda n: say(chat, key, ["ann", "bob", "cas", "dot"][n % 4], str(n)), range(24)))
    assert sorted(one.no for one in sent) == list(range(1, 25))
    assert [said["no"] for _, said in told(chat.engine, room(key))] == list(range(1, 25))


def test_the_same_temp_id_is_the_same_message(chat: Installation) -> None:
    key = group(chat, "ann", "bob")
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda _: say(chat, key, "ann", "once", temp_id="t"), range(8)))
    assert len({one.id for one in sent}) == 1
    assert say(chat, key, "bob", "mine", temp_id="t").no == 2
    assert refusal(say, chat, key, "ann", "twice", temp_id="t") == (422, "idempotency_key_reused")
    # Also after it was edited, and hidden.
    edit(chat, sent[0], "ann", "once more")
    messages.delete_message(chat, user("ann"), None, str(sent[0].id), for_everyone=False)
    assert say(chat, key, "ann", "once", temp_id="t").id == sent[0].id


def test_a_service_posts_in_order_and_once_for_each_key(chat: Installation) -> None:
    key = group(chat, "ann", "bob", "cas")
    say(chat, key, "ann", "I will bring the tent")
    for _ in range(2):
        for n, request in enumerate(
            (NewMessage(content="Ann brings the tent"), NewMessage(content="Is it yours?", private_to="ann"))
        ):
            sent = messages.send_message(chat, SERVICE, key, request, f"commitment 1 {n}".replace(" ", "-"))
            assert (sent.message.kind, sent.message.sender) == ("system", None)
    other = NewMessage(content="Bob brings the tent")
    assert refusal(messages.send_message, chat, SERVICE, key, other, "commitment-1-0") == (
        422,
        "idempotency_key_reused",
    )
    assert seen(chat, key, "ann") == ["I will bring the tent", "Ann brings the tent", "Is it yours?"]
    assert seen(chat, key, "bob") == ["I will bring the tent", "Ann brings the tent"]
    assert audiences(chat.engine, key) == [None, None, ["ann"]]
    on_behalf = messages.send_message(chat, SERVICE, key, NewMessage(content="From my phone", sender="bob"))
    assert on_behalf.message.sender == "bob"
    assert unread(chat, key, "bob") == (0, 0)
    for request in (NewMessage(content="x", sender="dot"), NewMessage(content="x", sender="bob", type="system")):
        assert refusal(messages.send_message, chat, SERVICE, key, request) == (422, "validation")


def test_a_private_message_is_for_two(chat: Installation) -> None:
    key = group(chat, "ann", "bob", "cas")
    say(chat, key, "ann", "for all")
    secret = say(chat, key, "ann", "for bob", private_to="bob", mentions=["bob"])
    assert [seen(chat, key, name) for name in ("ann", "bob", "cas")] == [
        ["for all", "for bob"],
        ["for all", "for bob"],
        ["for all"],
    ]
    edit(chat, secret, "ann", "for bob alone")
    messages.react(chat, user("bob"), key, str(secret.id), "👍", True)
    messages.delete_message(chat, user("ann"), key, str(secret.id), for_everyone=True)
    assert audiences(chat.engine, key) == [None, *[["ann", "bob"]] * 4]
    assert (unread(chat, key, "bob"), unread(chat, key, "cas")) == ((1, 0), (1, 0))
    for work, args in (
        (messages.find_message, []),
        (messages.react, ["👍", True]),
        (messages.receipts_of, [None, 10]),
    ):
        assert refusal(work, chat, user("cas"), key, str(secret.id), *args) == (404, "not_found")
    named = {"for_everyone": True}
    assert refusal(messages.delete_message, chat, user("cas"), None, str(secret.id), **named) == (404, "not_found")
    for wrong in (
        {"private_to": "ann"},
        {"private_to": "dot"},
        {"private_to": "bob", "mentions": ["cas"]},
        {"reply_to": str(secret.id)},
        {"reply_to": str(secret.id), "private_to": "cas"},
    ):
        assert refusal(say, chat, key, "ann", **wrong) == (422, "validation")
    assert say(chat, key, "bob", private_to="ann", reply_to=str(secret.id)).no == 3


def test_only_members_are_mentioned_and_all_of_them_by_who_manages(chat: Installation) -> None:
    key = group(chat, "ann", "bob", "cas")
    say(chat, key, "ann", mentions=["bob", "bob"])
    say(chat, key, "ann", mentions=["@all"])
    assert [unread(chat, key, name) for name in ("ann", "bob", "cas")] == [(0, 0), (2, 2), (2, 1)]
    assert refusal(say, chat, key, "ann", mentions=["dot"]) == (422, "validation")
    assert refusal(say, chat, key, "bob", mentions=["@all"]) == (403, "role")
    two = direct(chat, "ann", "bob").id
    assert say(chat, two, "bob", mentions=["@all"]).no == 1


def test_an_edit_keeps_what_was_said_and_mentions_nobody_twice(chat: Installation) -> None:
    key = group(chat, "ann", "bob", "cas")
    message = say(chat, key, "ann", "first", mentions=["bob"])
    for text, names in (("second", ["bob", "cas"]), ("third", ["bob", "cas"])):
        edited = edit(chat, message, "ann", text, mentions=names)
    assert edit(chat, message, "ann", "third").edited_at == edited.edited_at
    assert seen(chat, key, "bob") == ["third"]
    with read(chat.engine) as connection:
        said = connection.execute(select(message_versions.c.content).order_by(message_versions.c.version))
        assert list(said.scalars()) == ["first", "second"]
        assert len(connection.execute(select(mentions)).all()) == 2
    type_, data = last(chat, key)
    assert (type_, data["content"], data["mentions"]) == ("chat:message:edited", "third", ["bob", "cas"])
    # A client that was away receives the message as it is.
    assert "first" not in replayed(chat, key)
    assert "second" not in replayed(chat, key)
    named = {"content": "x", "mentions": ["dot"]}
    assert refusal(edit, chat, message, "ann", **named) == (422, "validation")
    assert refusal(edit, chat, message, "bob", "mine") == (403, "not_yours")
    assert refusal(edit, chat, message, "ann", " ") == (422, "validation")
    with write(chat.engine) as connection:
        later = utc_now() + timedelta(days=31)
        assert purge_versions(connection, later, timedelta(days=30), 1) == 1
        assert purge_versions(connection, later, timedelta(days=30), 10) == 1


def test_a_message_that_is_deleted_for_everyone_is_nowhere_but_in_its_number(chat: Installation) -> None:
    key = group(chat, "ann", "bob", "cas")
    message = say(chat, key, "bob", "terrible", mentions=["cas"], media_url="https://shop.example/terrible.png")
    edit(chat, message, "bob", "terrible indeed")
    say(chat, key, "ann", "oh")
    messages.react(chat, user("cas"), key, str(message.id), "👎", True)
    assert refusal(messages.delete_message, chat, user("cas"), key, str(message.id), for_everyone=True) == (
        403,
        "not_yours",
    )
    gone = messages.delete_message(chat, user("ann"), key, str(message.id), for_everyone=True)
    messages.delete_message(chat, user("bob"), key, str(message.id), for_everyone=True)
    flush(chat)
    assert gone.deleted_at is not None
    found = messages.find_message(chat, user("cas"), key, str(message.id))
    assert (found.content, found.data, found.reactions, found.no, found.sender) == ("", {}, [], 1, "bob")
    assert seen(chat, key, "cas") == ["", "oh"]
    assert unread(chat, key, "cas") == (1, 0)
    assert "terrible" not in str(told(chat.engine, room(key)))
    assert [type_ for type_, _ in told(chat.engine, room(key))].count("chat:message:deleted") == 1
    first = told(chat.engine, room(key))[0][1]
    assert (first["content"], first["deletedAt"]) == ("", last(chat, key)[1]["deletedAt"])
    with read(chat.engine) as connection:
        kept = connection.execute(select(message_versions.c.content).order_by(message_versions.c.version))
        assert list(kept.scalars()) == ["terrible", "terrible indeed"]
    assert refusal(edit, chat, message, "bob", "again") == (409, "message_deleted")
    assert refusal(messages.react, chat, user("cas"), key, str(message.id), "👎", True) == (409, "message_deleted")


def test_a_message_that_is_deleted_for_oneself_stays_for_the_others(chat: Installation) -> None:
    key = group(chat, "ann", "bob")
    message = say(chat, key, "ann", "no more", mentions=["bob"])
    mine = (messages.delete_message, chat, user("bob"), key, str(message.id))
    mine[0](*mine[1:], for_everyone=False)
    assert refusal(*mine, for_everyone=False) == (404, "not_found")
    assert seen(chat, key, "bob") == []
    assert seen(chat, key, "ann") == ["no more"]
    assert unread(chat, key, "bob") == (0, 0)
    assert audiences(chat.engine, key) == [None, ["bob"]]
    assert last(chat, key)[1]["forEveryone"] is False
    # The mention of all that one of them has hidden is there for the others.
    to_all = say(chat, key, "ann", mentions=["@all"])
    messages.delete_message(chat, user("ann"), None, str(to_all.id), for_everyone=False)
    assert unread(chat, key, "bob") == (1, 1)


def test_reactions_are_counted_and_told_together(chat: Installation) -> None:
    key = group(chat, "ann", "bob")
    message = say(chat, key, "ann")
    for name, emoji in (("ann", "👍"), ("bob", "👍"), ("bob", "👍"), ("bob", "❤️")):
        messages.react(chat, user(name), key, str(message.id), emoji, True)
    found = messages.react(chat, user("ann"), key, str(message.id), "👍", False)
    assert [(one.emoji, one.count, one.me) for one in found.reactions] == [("👍", 1, False), ("❤️", 1, False)]
    flush(chat)
    assert last(chat, key) == (
        "chat:message:reactions",
        {
            "messageId": str(message.id),
            "id": str(message.id),
            "conversationId": key,
            "no": 1,
            "reactions": [{"emoji": "👍", "count": 1}, {"emoji": "❤️", "count": 1}],
        },
    )
    assert len(told(chat.engine, room(key))) == 2
    assert refusal(messages.react, chat, user("bob"), key, str(message.id), "ok", True) == (422, "validation")
    for n in range(MAX_EMOJI - 2):
        messages.react(chat, user("bob"), key, str(message.id), chr(0x1F600 + n), True)
    assert refusal(messages.react, chat, user("ann"), key, str(message.id), "🐈", True) == (409, "too_many_reactions")
    messages.react(chat, user("ann"), key, str(message.id), "👍", True)


@pytest.mark.parametrize("emoji", ["👍", "👍🏽", "❤️", "❤", "👨‍👩‍👧‍👦", "🇦🇹", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "‼️", "ℹ️", "⚕️", "👩🏾‍⚕️", "🧑‍🚀"])
def test_these_are_emoji(emoji: str) -> None:
    assert one_emoji(emoji) == emoji


@pytest.mark.parametrize(
    "text", ["", "a", "1", "👍👍", "👍!", "ok", "é", "🇦", "\ufe0f", "a\ufe0f", "<b>", "👍" + "\u0301" * 3]
)
def test_these_are_none(text: str) -> None:
    assert one_emoji(text) is None


def test_a_receipt_never_moves_back(chat: Installation) -> None:
    key = group(chat, "ann", "bob")
    sent = [say(chat, key, "ann", str(n)) for n in range(3)]
    messages.mark(chat, user("bob"), None, "delivered", message=str(sent[2].id))
    messages.mark(chat, user("bob"), None, "read", message=str(sent[1].id))
    messages.mark(chat, user("bob"), key, "read", no=1)
    messages.mark(chat, user("bob"), key, "delivered", no=1)
    assert unread(chat, key, "bob") == (1, 0)
    flush(chat)
    assert told(chat.engine, room(key))[3:] == [
        (
            "chat:message:delivered",
            {
                "conversationId": key,
                "no": 3,
                "messageId": str(sent[2].id),
                "deliveredTo": "bob",
                "timestamp": told(chat.engine, room(key))[3][1]["timestamp"],
            },
        ),
        (
            "chat:message:read",
            {
                "conversationId": key,
                "no": 2,
                "messageId": str(sent[1].id),
                "readBy": "bob",
                "timestamp": told(chat.engine, room(key))[4][1]["timestamp"],
            },
        ),
    ]
    found = [messages.receipts_of(chat, user("ann"), key, str(one.id), None, 10) for one in sent]
    assert [(one.delivered, one.read, one.page) for one in found] == [
        (1, 1, [("bob", "read")]),
        (1, 1, [("bob", "read")]),
        (1, 0, [("bob", "delivered")]),
    ]
    # More than there is, and then one more message.
    assert messages.mark(chat, user("bob"), key, "read", no=99).unread == 0
    say(chat, key, "ann")
    assert unread(chat, key, "bob") == (1, 0)


def test_a_private_receipt_is_for_the_reader_alone(chat: Installation) -> None:
    key = group(chat, "ann", "bob")
    message = say(chat, key, "ann")
    messages.mark(chat, user("bob"), key, "seen")
    assert unread(chat, key, "bob") == (0, 0)
    flush(chat)
    assert [type_ for type_, _ in told(chat.engine, room(key))] == ["chat:message"]
    assert told(chat.engine, "user:bob")[-1][0] == "chat:message:read"
    assert messages.receipts_of(chat, user("ann"), key, str(message.id), None, 10) == (0, 0, [])


def test_a_receipt_does_not_name_a_private_message(chat: Installation) -> None:
    key = group(chat, "ann", "bob", "cas")
    secret = say(chat, key, "ann", private_to="bob")
    messages.mark(chat, user("bob"), key, "read", message=str(secret.id))
    flush(chat)
    assert str(secret.id) not in str(last(chat, key))
    assert last(chat, key)[1]["no"] == 1


def test_receipts_of_a_large_group_are_numbers(chat: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    key = group(chat, "ann", "bob", "cas")
    with write(chat.engine) as connection:
        connection.execute(update(table).values(member_count=101))
    say(chat, key, "ann")
    messages.mark(chat, user("bob"), key, "read")
    messages.mark(chat, user("cas"), key, "read")
    flush(chat)
    type_, data = last(chat, key)
    # The sender has read it too.
    assert (type_, data["no"], data["count"]) == ("chat:message:read", 1, 3)
    assert "readBy" not in data
    assert len(told(chat.engine, room(key))) == 2
    assert told(chat.engine, "user:bob")[-1][1]["readBy"] == "bob"


def test_pages_of_history_go_both_ways(chat: Installation) -> None:
    key = group(chat, "ann", "bob")
    for n in range(1, 8):
        say(chat, key, "ann", str(n))
    listed = {
        name: [one.content for one in messages.list_messages(chat, user("bob"), key, limit=3, **where)]
        for name, where in {"newest": {}, "before": {"before": 5}, "after": {"after": 4}}.items()
    }
    assert listed == {"newest": ["7", "6", "5"], "before": ["4", "3", "2"], "after": ["5", "6", "7"]}


def test_what_is_muted_stays_in_the_counts(chat: Installation) -> None:
    key = group(chat, "ann", "bob")
    conversations.set_notify(chat, user("bob"), key, {"notify": "none", "muted_until": utc_now()})
    say(chat, key, "ann")
    assert unread(chat, key, "bob") == (1, 0)
    found = conversations.look_at(chat, user("bob"), key).conversation.member
    assert found is not None
    assert found.notify == "none"
