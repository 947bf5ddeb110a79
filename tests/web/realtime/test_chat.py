"""Conversations on the socket: who is in which room, who is sent what, and what clients can do."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine

from actions import conversations
from actions.installation import Installation
from bus.envelope import Group, room_name
from models.events.cursor import Cursor
from models.events.publishing import forget_published, take_unpublished
from models.sql.engine import write
from tests import factories
from tests.chat import SERVICE, group, say, user
from tests.waiting import eventually
from tests.web.realtime.fakes import brief, heard, session
from tests.web.realtime.stack import Client, Stack
from web.realtime.gateway.membership import Membership
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.replay.healer import Healer
from web.realtime.replay.replayer import Replayer
from web.realtime.timing import Timing
from web.realtime.transport import fanout
from workers.publish import _entries

TIMING = Timing(grace=0.01)


class Process:
    """A web process, without network: its sessions, and what workers publish."""

    def __init__(self, engine: Engine, chat: Installation) -> None:
        self.engine = engine
        self.chat = chat
        self.sessions = Sessions()
        self.replayer = Replayer(chat, self.sessions, TIMING)
        self.healer = Healer(engine, self.sessions, self.replayer, TIMING)
        self.membership = Membership(engine, self.sessions, self._deliver, TIMING)

    def _deliver(self, groups: list[dict[str, Any]]) -> None:
        fanout.deliver(self.sessions, groups)

    def connect(self, name: str, **wish: Any) -> Session:
        one = session(name, sid=f"{name}-{len(self.sessions.all())}", **wish)
        assert self.sessions.add(one)
        self.replayer.welcome(one)
        return one

    def published(self) -> list[dict[str, Any]]:
        """What a worker publishes now."""
        now = self.chat.now()
        with write(self.engine) as connection:
            taken = take_unpublished(connection, now, now, 1000)
        with write(self.engine) as connection:
            forget_published(connection, [one.outbox_id for one in taken])
        return [
            {
                "event": entry.event,
                "payload": entry.payload,
                "rooms": [(entry.room, entry.seq)],
                **({"audience": entry.audience} if entry.audience is not None else {}),
                **({"members_version": entry.members_version} if entry.members_version is not None else {}),
            }
            for entry in _entries(taken)
        ]

    def deliver(self, groups: list[dict[str, Any]]) -> None:
        self.membership.deliver(groups)
        self.membership.turn()


@pytest.fixture
def chat(engine: Engine) -> Installation:
    factories.create_tenant(engine)
    factories.create_users(engine, ["ann", "bob", "cas"])
    return factories.create_installation(engine)


@pytest.fixture
def process(engine: Engine, chat: Installation) -> Process:
    return Process(engine, chat)


def said(one: Session) -> list[str]:
    return [data["content"] for name, data in heard(one) if name == "chat:message"]


def test_a_session_is_in_the_conversations_of_its_user_and_hears_their_messages(chat, process):
    conversation = group(chat, "ann", "bob")
    ann, cas = process.connect("ann"), process.connect("cas")
    [ready] = [data for name, data in heard(ann) if name == "session:ready"]
    assert ready["rooms"] == ["user:ann", "tenant:acme"]
    heard(cas)
    say(chat, conversation, "bob", "hello")
    process.deliver(process.published())
    assert said(ann) == ["hello"]
    assert heard(cas) == []


def test_what_was_missed_in_a_conversation_is_replayed_from_the_cursor_alone(chat, process):
    conversation = group(chat, "ann", "bob")
    first = process.connect("ann")
    cursor = first.progress.cursor()
    process.sessions.remove(first.sid)
    say(chat, conversation, "bob", "missed")
    again = process.connect("ann", epoch=cursor.epoch, positions=cursor.positions, mark=cursor.mark)
    assert said(again) == ["missed"]
    process.deliver(process.published())
    assert said(again) == []


def test_a_session_joins_a_conversation_while_it_lives_and_misses_nothing(chat, process):
    cas = process.connect("cas")
    heard(cas)
    conversation = group(chat, "ann", "cas")
    say(chat, conversation, "ann", "before it was known")
    process.deliver(process.published())
    cas.rooms_changed = True
    process.healer.serve(cas)
    say(chat, conversation, "ann", "live")
    process.deliver(process.published())
    assert said(cas) == ["before it was known", "live"]


def test_a_removed_member_is_sent_nothing_that_was_written_after_the_removal(chat, process):
    conversation = group(chat, "ann", "bob", "cas")
    ann, cas = process.connect("ann"), process.connect("cas")
    heard(ann), heard(cas)
    process.published()
    conversations.remove_member(chat, user("ann"), conversation, "cas")
    say(chat, conversation, "ann", "without cas")
    # The message overtakes the event of the removal, which this process never gets.
    late = [one for one in process.published() if one["event"] == "chat:message"]
    process.deliver(late)
    assert heard(cas) == []
    assert said(ann) == ["without cas"]
    assert f"conversation:{conversation}" not in cas.rooms


def test_who_joins_this_process_with_an_older_view_does_not_pass_for_a_member(chat, process):
    conversation = group(chat, "ann", "bob", "cas")
    room = f"conversation:{conversation}"
    ann, cas = process.connect("ann"), session("cas", sid="late")
    heard(ann)
    process.published()
    assert process.sessions.add(cas)
    conversations.remove_member(chat, user("ann"), conversation, "cas")
    say(chat, conversation, "ann", "one")
    process.deliver(process.published())
    # It had read the members before the removal.
    process.sessions.fit(cas, {room: 1})
    say(chat, conversation, "ann", "two")
    process.deliver(process.published())
    assert room not in cas.rooms
    assert heard(cas) == []


def test_a_private_message_is_a_skipped_number_for_all_others(chat, process):
    conversation = group(chat, "ann", "bob", "cas")
    ann, bob, cas = (process.connect(name) for name in ("ann", "bob", "cas"))
    for one in (ann, bob, cas):
        heard(one)
    process.published()
    say(chat, conversation, "ann", "secret", private_to="bob")
    say(chat, conversation, "ann", "for all")
    process.deliver(process.published())
    assert said(ann) == said(bob) == ["secret", "for all"]
    assert [name for name, _ in brief(cas)] == ["event:skipped", "chat:message"]
    assert not cas.progress.gap


def test_a_client_that_has_no_position_in_a_room_is_told_of_one_before_a_gap(chat, process):
    conversation = group(chat, "ann", "bob")
    say(chat, conversation, "bob", "one")
    ann = process.connect("ann")
    heard(ann)
    process.published()
    say(chat, conversation, "bob", "two")
    process.published()
    say(chat, conversation, "bob", "three")
    process.deliver(process.published())
    first = ann.progress.positions[f"conversation:{conversation}"]
    assert [(name, seq) for name, seq in brief(ann)] == [("event:skipped", first), ("chat:message", first + 2)]
    process.healer.serve(ann)
    assert said(ann) == ["two"]


def test_what_was_lost_on_the_way_is_found_without_asking_for_every_conversation(chat, process):
    conversation = group(chat, "ann", "bob")
    ann = process.connect("ann")
    heard(ann)
    say(chat, conversation, "bob", "lost")
    process.published()
    assert process.healer.look() == 1
    assert said(ann) == ["lost"]
    assert process.healer.look() == 0
    before = ann.progress.mark
    say(chat, conversation, "bob", "heard")
    process.deliver(process.published())
    assert f"conversation:{conversation}" in ann.progress.cursor().positions
    assert process.healer.look() == 0
    assert process.healer.look() == 0
    assert (ann.progress.mark or 0) > (before or 0)
    assert set(ann.progress.cursor().positions) == {"user:ann", "tenant:acme"}


def test_an_event_for_all_but_one_user_reaches_the_others(chat, process):
    conversation = group(chat, "ann", "bob")
    ann, bob = process.connect("ann"), process.connect("bob")
    heard(ann), heard(bob)
    place = [(room_name("acme", f"conversation:{conversation}"), 0)]
    start = Group("chat:typing:start", {"userKey": "ann"}, place, without="ann")
    process.deliver([{"event": start.event, "payload": start.payload, "rooms": start.rooms, "without": "ann"}])
    assert heard(ann) == []
    assert [name for name, _ in heard(bob)] == ["chat:typing:start"]


def names(client: Client) -> list[str]:
    return [name for name, _ in client.heard]


def contents(client: Client) -> list[str]:
    return [data["content"] for name, data in client.heard if name == "chat:message"]


def begin(stack: Stack, *users: str) -> str:
    installation = factories.create_installation(stack.engine)
    factories.create_users(stack.engine, users, tenant=stack.tenant)
    request = conversations.NewConversation(type="group", participants=list(users), created_by=users[0])
    service = SERVICE.__class__("service", stack.tenant, "ck_live_00000000", "live")
    return conversations.create_conversation(installation, service, request).id


@pytest.mark.slow
def test_people_chat_and_nobody_else_gets_a_byte(stack: Stack):
    conversation = begin(stack, "alice", "bob")
    factories.create_users(stack.engine, ["eve"], tenant=stack.tenant)
    alice, bob, phone, eve = stack.client("alice"), stack.client("bob"), stack.client("alice"), stack.client("eve")
    answer = alice.call("chat:send", {"conversationId": conversation, "content": "the word", "tempId": "t1"})
    assert (answer["ok"], answer["tempId"], answer["status"]) == (True, "t1", "sent")
    stack.work()
    for client in (alice, bob, phone):
        eventually(lambda client=client: contents(client) == ["the word"])
    for client in (alice, phone):
        eventually(lambda client=client: "chat:message:sent" in names(client))
    assert "chat:message:sent" not in names(bob)
    # The same request is the same message.
    again = alice.call("chat:send", {"conversationId": conversation, "content": "the word", "tempId": "t1"})
    assert again["messageId"] == answer["messageId"]
    assert bob.call("chat:read", {"messageId": answer["messageId"]})["unread"] == 0
    assert bob.call("chat:typing", {"conversationId": conversation, "isTyping": True})["ok"]
    eventually(lambda: "chat:typing:start" in names(alice))
    eventually(lambda: "chat:typing:stop" in names(alice), within=15)
    assert "chat:typing:start" not in names(bob)
    assert alice.call("room:join", {"room": f"conversation:{conversation}"})["ok"]
    for event, payload in (
        ("chat:send", {"conversationId": conversation, "content": "x"}),
        ("chat:read", {"conversationId": conversation}),
        ("chat:typing", {"conversationId": conversation, "isTyping": True}),
        ("chat:edit", {"messageId": answer["messageId"], "content": "x"}),
        ("chat:conversation:join", {"conversationId": conversation}),
        ("sync", {"positions": {f"conversation:{conversation}": 0}}),
    ):
        refused = eve.call(event, payload)
        assert event == "sync" or refused["error"]["code"] == "not_found"
    assert "the word" not in str(eve.heard)
    assert conversation not in str(eve.heard)


@pytest.mark.slow
def test_private_messages_removal_and_forged_cursors_show_no_byte_to_others(stack: Stack):
    conversation = begin(stack, "alice", "bob", "carol")
    room = f"conversation:{conversation}"
    factories.create_tenant(stack.engine, f"{stack.tenant}-2")
    factories.create_users(stack.engine, ["alice"], tenant=f"{stack.tenant}-2")
    alice, bob = stack.client("alice", dialect="group"), stack.client("bob", dialect="group")
    carol = stack.client("carol", dialect="group")
    forged = Cursor(str((alice.ready or {})["epoch"]), {room: 0, "user:alice": 0}, 0).encode()
    other = stack.client("alice", token=stack.token("alice", tenant=f"{stack.tenant}-2"), cursor=forged)
    dave = stack.client("dave", cursor=forged, positions={room: 0})
    assert alice.call("join-group", conversation)["success"]
    asked = {"conversationId": conversation, "content": "the secret", "targetUserId": "bob"}
    secret = alice.call("chat:send", asked)
    alice.call("chat:send", {"conversationId": conversation, "content": "for the group"})
    stack.work()
    for client in (alice, bob):
        eventually(lambda client=client: len(client.all("new-message")) == 2)
    [private, public] = bob.all("new-message")
    assert (private["isPrivate"], private["targetUserId"], private["userId"]) == (True, "bob", "alice")
    assert (private["id"], private["groupId"]) == (secret["messageId"], conversation)
    assert (public["isPrivate"], public["content"]) == (False, "for the group")
    eventually(lambda: [one["content"] for one in carol.all("new-message")] == ["for the group"])
    # The hole is told, so that nobody waits for it.
    assert carol.seqs(room) == bob.seqs(room)
    installation = factories.create_installation(stack.engine)
    owner = SERVICE.__class__("user", stack.tenant, "alice", "live")
    conversations.remove_member(installation, owner, conversation, "carol")
    alice.call("chat:send", {"conversationId": conversation, "content": "without carol"})
    stack.work()
    eventually(lambda: len(bob.all("new-message")) == 3)
    eventually(lambda: carol.all("chat:conversation:left"))
    assert carol.call("join-group", conversation)["error"]["code"] == "not_found"
    again = stack.client("carol", cursor=forged, positions={room: 0})
    for client in (carol, again, dave, other):
        client.call("sync", {"cursor": forged, "positions": {room: 0}})
        text = str(client.heard)
        assert "the secret" not in text
        assert "without carol" not in text
    assert conversation not in str(dave.heard)
    assert conversation not in str(other.heard)


@pytest.mark.slow
def test_pages_of_chat_write_to_a_user_and_pages_of_the_hub_are_told_what_failed(stack: Stack):
    factories.create_users(stack.engine, ["1", "2"], tenant=stack.tenant)
    one, two = stack.client("1"), stack.client("2", dialect="hub")
    answer = one.call("chat:send", {"recipientId": 2, "content": "Hello from WebSocket!"})
    stack.work()
    eventually(lambda: contents(two) == ["Hello from WebSocket!"])
    eventually(lambda: len(two.all("chat:conversation:created")) == 1)
    assert one.call("chat:send", {"recipientId": "2", "content": "again"})["conversationId"] == answer["conversationId"]
    assert two.call("chat:typing", {"recipientId": 1, "isTyping": True})["ok"]
    eventually(lambda: "chat:typing:start" in names(one))
    two.call("chat:send", {"conversationId": "nowhere", "content": "lost", "tempId": "t9"})
    eventually(lambda: [one["tempId"] for one in two.all("chat:error")] == ["t9"])
    assert two.all("chat:error")[0]["code"] == "not_found"


@pytest.mark.slow
def test_clients_of_the_hub_begin_change_confirm_and_leave(stack: Stack):
    factories.create_users(stack.engine, ["ann", "ben"], tenant=stack.tenant)
    ann, ben = stack.client("ann", dialect="hub"), stack.client("ben", dialect="hub")
    begun = ann.call("chat:conversation:create", {"type": "group", "participants": ["ben"], "name": "Pond"})
    conversation = begun["conversationId"]
    stack.work()
    eventually(lambda: ben.all("chat:conversation:created"))
    [created] = ben.all("chat:conversation:created")
    assert (created["conversationId"], created["type"], created["name"]) == (conversation, "group", "Pond")
    assert (sorted(created["participants"]), created["createdBy"]) == (["ann", "ben"], "ann")
    assert ben.call("chat:conversation:join", {"conversationId": conversation})["ok"]

    first, second = (
        ann.call("chat:send", {"conversationId": conversation, "content": content, "type": "text"})["messageId"]
        for content in ("one", "two")
    )
    stack.work()
    eventually(lambda: contents(ben) == ["one", "two"])
    assert ben.call("chat:delivered", {"messageId": second})["ok"]
    assert ben.call("chat:read", {"conversationId": conversation})["unread"] == 0
    assert ann.call("chat:edit", {"messageId": first, "content": "one, corrected"})["content"] == "one, corrected"
    assert ben.call("chat:react", {"messageId": first, "emoji": "👍"})["reactions"] == [
        {"emoji": "👍", "count": 1, "me": True}
    ]
    assert ann.call("chat:delete", {"messageId": second, "forEveryone": True})["ok"]
    assert ben.call("chat:delete", {"messageId": first, "forEveryone": False})["ok"]
    eventually(lambda: stack.work() or (ann.all("chat:message:read") and ann.all("chat:message:reactions")))
    [delivered], [read] = ann.all("chat:message:delivered"), ann.all("chat:message:read")
    assert (delivered["messageId"], delivered["deliveredTo"]) == (second, "ben")
    assert (read["conversationId"], read["readBy"]) == (conversation, "ben")
    assert {"timestamp"} <= delivered.keys() & read.keys()
    assert [(e["messageId"], e["content"]) for e in ann.all("chat:message:edited")] == [(first, "one, corrected")]
    assert ann.all("chat:message:edited")[0]["editedAt"]
    # Each is told of what they see: one message is gone for both, the other for ben alone.
    assert [(e["messageId"], e["forEveryone"]) for e in ann.all("chat:message:deleted")] == [(second, True)]
    deleted = [(e["messageId"], e["forEveryone"]) for e in ben.all("chat:message:deleted")]
    assert deleted == [(second, True), (first, False)]

    for _ in range(3):
        assert ben.call("chat:typing", {"conversationId": conversation, "isTyping": True})["ok"]
    assert ben.call("chat:typing", {"conversationId": conversation, "isTyping": False})["ok"]
    eventually(lambda: ann.all("chat:typing:stop"))
    [start] = ann.all("chat:typing:start")
    assert (start["conversationId"], start["userKey"]) == (conversation, "ben")
    assert ben.call("chat:conversation:leave", {"conversationId": conversation})["ok"]
    assert ben.call("chat:send", {"conversationId": conversation, "content": "x"})["error"]["code"] == "not_found"
