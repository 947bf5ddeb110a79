"""Chat over HTTP, as users and services call it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.web.callers import Caller, fields


@pytest.fixture
def people(client: Any, user_token: Any, service: Caller) -> dict[str, Caller]:
    """Clients of some users of the tenant."""
    names = ("alice", "bob", "carol")
    for name in names:
        service.put(f"/v1/users/{name}", {})
    return {name: Caller(client, user_token(name)) for name in names}


def begin(caller: Caller, *names: str, **other: Any) -> str:
    """A group, by its path."""
    begun = caller.post("/v1/conversations", {"type": "group", "participants": list(names), **other})
    assert begun.status_code == 201
    assert begun.headers["Location"] == f"/v1/conversations/{quote(begun.json['id'], safe='')}"
    return begun.headers["Location"]


def say(caller: Caller, conversation: str, content: str = "Hello", **other: Any) -> dict[str, Any]:
    sent = caller.post(f"{conversation}/messages", {"content": content, **other})
    assert sent.status_code == 201, sent.text
    return sent.json


def test_a_conversation_from_its_beginning_to_its_list(people):
    alice, bob = people["alice"], people["bob"]
    first = alice.post("/v1/conversations", {"type": "direct", "participants": ["bob"]})
    again = bob.post("/v1/conversations", {"type": "direct", "participants": ["alice", "bob"]})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json["id"] == again.json["id"]
    two = first.headers["Location"]
    garden = begin(alice, "bob", "carol", name="Garden")
    sent = say(alice, two, temp_id="t1", mentions=["bob"])
    assert sent == alice.get(f"{two}/messages/{sent['id']}").json
    listed = bob.get("/v1/conversations").json
    assert [one["id"] for one in listed["data"]] == [first.json["id"], garden.rpartition("/")[2]]
    assert listed["data"][0] == {
        "id": first.json["id"],
        "type": "direct",
        "name": None,
        "history": "shared",
        "created_by": "alice",
        "created_at": first.json["created_at"],
        "member_count": 2,
        "participants": ["alice", "bob"],
        "role": "member",
        "notify": "all",
        "muted_until": None,
        "last_no": 1,
        "last_message_at": sent["created_at"],
        "last_message": sent,
        "read_no": 0,
        "unread": 1,
        "unread_mentions": 1,
    }
    assert sent == {
        "id": sent["id"],
        "conversation_id": first.json["id"],
        "no": 1,
        "sender": "alice",
        "type": "text",
        "content": "Hello",
        "reply_to": None,
        "mentions": ["bob"],
        "media_url": None,
        "private_to": None,
        "reactions": [],
        "created_at": sent["created_at"],
        "edited_at": None,
        "deleted_at": None,
        "temp_id": "t1",
        "attachments": [],
    }
    page = bob.get("/v1/conversations?limit=1").json["page"]
    assert page["has_more"]
    rest = bob.get(f"/v1/conversations?after={quote(page['next'])}").json
    assert [one["name"] for one in rest["data"]] == ["Garden"]
    assert bob.get("/v1/conversations/unread").json == {
        "unread": 1,
        "unread_mentions": 1,
        "data": [{"id": first.json["id"], "unread": 1, "unread_mentions": 1}],
    }


def test_members_manage_and_leave(people):
    alice, bob, carol = (people[name] for name in ("alice", "bob", "carol"))
    garden = begin(alice, "bob", name="Garden")
    assert alice.post(f"{garden}/members", {"users": ["carol"], "role": "invited"}).json == {"added": ["carol"]}
    assert carol.get(garden).json["role"] == "invited"
    assert carol.get(f"{garden}/messages").status_code == 404
    assert carol.post(f"{garden}/join", None).json["role"] == "member"
    assert alice.ask("PATCH", f"{garden}/members/bob", {"role": "moderator"}).json["role"] == "moderator"
    assert bob.ask("PATCH", garden, {"name": None}).json["name"] is None
    listed = carol.get(f"{garden}/members?limit=2").json
    assert [(one["user"], one["role"]) for one in listed["data"]] == [("alice", "owner"), ("bob", "moderator")]
    assert listed["page"] == {"next": "bob", "has_more": True}
    muted = carol.ask("PATCH", f"{garden}/settings", {"notify": "mentions", "muted_until": "2030-01-01T00:00:00Z"})
    assert (muted.json["notify"], muted.json["muted_until"]) == ("mentions", "2030-01-01T00:00:00.000Z")
    assert carol.ask("PATCH", f"{garden}/settings", {"muted_until": None}).json["muted_until"] is None
    assert alice.delete(f"{garden}/members/alice").status_code == 200
    assert bob.get(garden).json["role"] == "owner"
    assert alice.get(garden).status_code == 404


def test_messages_are_changed_reacted_to_and_read(people):
    alice, bob = people["alice"], people["bob"]
    two = begin(alice, "bob")
    sent = [say(alice, two, str(n)) for n in range(4)]
    first = f"{two}/messages/{sent[0]['id']}"
    assert alice.ask("PATCH", first, {"content": "zero"}).json["content"] == "zero"
    assert bob.ask("PATCH", first, {"content": "mine"}).status_code == 403
    reacted = bob.put(f"{first}/reactions/{quote('❤️')}")
    assert reacted.json["reactions"] == [{"emoji": "❤️", "count": 1, "me": True}]
    assert alice.get(first).json["reactions"] == [{"emoji": "❤️", "count": 1, "me": False}]
    assert bob.delete(f"{first}/reactions/{quote('❤️')}").json["reactions"] == []
    read = bob.post(f"{two}/read", {"message_id": sent[1]["id"]})
    assert read.json == {"delivered_no": 2, "read_no": 2, "unread": 2, "unread_mentions": 0}
    assert bob.post(f"{two}/delivered", {}).json["delivered_no"] == 4
    assert alice.get(f"{first}/receipts").json == {
        "delivered": 1,
        "read": 1,
        "data": [{"user": "bob", "status": "read"}],
        "page": {"next": None, "has_more": False},
    }
    assert bob.post(f"{two}/read", {"private": True}).json["unread"] == 0
    assert alice.get(f"{two}/messages/{sent[3]['id']}/receipts").json["read"] == 0
    assert bob.delete(f"{first}?for=me").json["content"] == "zero"
    assert alice.delete(f"{two}/messages/{sent[1]['id']}").json["deleted_at"] is not None
    assert [one["content"] for one in bob.get(f"{two}/messages").json["data"]] == ["3", "2", ""]
    after = bob.get(f"{two}/messages?after=2&limit=1").json
    assert [one["no"] for one in after["data"]] == [3]
    assert after["page"] == {"next": 3, "has_more": True}


def test_a_service_posts_for_the_system_and_for_its_users(service, people):
    group = begin(service, "alice", "bob", id="order/7", created_by="alice")
    assert group == "/v1/conversations/order%2F7"
    say(people["alice"], group, "I will bring the tent")
    bodies = [{"content": "Noted"}, {"content": "Is it yours?", "private_to": "alice"}]
    for _ in range(2):
        for n, document in enumerate(bodies):
            sent = service.post(f"{group}/messages", document, Idempotency_Key=f"commitment-{n}")
            assert (sent.status_code, sent.json["type"], sent.json["sender"]) == (201, "system", None)
    assert sent.headers["Idempotent-Replayed"] == "true"
    reused = service.post(f"{group}/messages", {"content": "Else"}, Idempotency_Key="commitment-0")
    assert (reused.status_code, reused.json["code"]) == (422, "idempotency_key_reused")
    assert say(service, group, "By phone", sender="bob")["sender"] == "bob"
    seen = [one["content"] for one in people["bob"].get(f"{group}/messages?after=0").json["data"]]
    assert seen == ["I will bring the tent", "Noted", "By phone"]
    assert len(service.get(f"{group}/messages").json["data"]) == 4
    assert service.get("/v1/users/alice/conversations").json["data"][0]["unread"] == 3
    assert service.get(group).json["role"] is None


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "content"),
    ({"content": " "}, "content"),
    ({"content": "x" * 8001}, "content"),
    ({"content": "a\x07"}, "content"),
    ({"content": "x", "type": "image"}, "media_url"),
    ({"content": "x", "type": "sticker"}, "type"),
    ({"content": "x", "type": "system"}, "type"),
    ({"content": "x", "sender": "bob"}, "sender"),
    ({"content": "x", "media_url": "javascript:alert(1)"}, "media_url"),
    ({"content": "x", "media_url": "//evil.example/x"}, "media_url"),
    ({"content": "x", "reply_to": "x"}, "reply_to"),
    ({"content": "x", "mentions": ["nobody"]}, "mentions"),
    ({"content": "x", "private_to": "carol"}, "private_to"),
    ({"content": "x", "temp_id": ""}, "temp_id"),
]


def test_what_no_client_could_show_is_refused(people, subtests):
    two = begin(people["alice"], "bob")
    for document, field in REFUSED:
        with subtests.test(document=document):
            refused = people["alice"].post(f"{two}/messages", document)
            assert refused.status_code == 422
            assert field in " ".join([*fields(refused), refused.json["detail"]])


def test_a_page_begins_where_the_one_before_ended_or_is_refused(people):
    assert people["alice"].get("/v1/conversations?after=x").status_code == 422
    assert people["alice"].get("/v1/conversations?after=99999999999999999999.x").status_code == 422


# What strangers try: everything, with ids that they could have learned.
def attempts(conversation: str, message: str) -> list[tuple[str, str, Any]]:
    one = f"{conversation}/messages/{message}"
    key = conversation.rpartition("/")[2]
    return [
        ("GET", f"/v1/conversations/search?q={SECRET}", None),
        ("GET", f"/v1/conversations/search?q={SECRET}&conversation={conversation.rpartition('/')[2]}", None),
        ("GET", f"/api/chat/search?q={SECRET}", None),
        ("GET", "/v1/conversations", None),
        ("GET", "/v1/users/alice/conversations", None),
        ("GET", "/v1/conversations/unread", None),
        ("GET", conversation, None),
        ("PATCH", conversation, {"name": "Mine"}),
        ("PATCH", f"{conversation}/settings", {"notify": "none"}),
        ("GET", f"{conversation}/members", None),
        ("POST", f"{conversation}/members", {"users": ["carol"]}),
        ("PATCH", f"{conversation}/members/alice", {"role": "member"}),
        ("DELETE", f"{conversation}/members/alice", None),
        ("POST", f"{conversation}/join", None),
        ("GET", f"{conversation}/messages", None),
        ("GET", f"{conversation}/messages?after=0", None),
        ("POST", f"{conversation}/messages", {"content": "x", "reply_to": message}),
        ("POST", f"{conversation}/messages", {"content": "x", "temp_id": "t"}),
        ("GET", one, None),
        ("PATCH", one, {"content": "x"}),
        ("DELETE", one, None),
        ("DELETE", f"{one}?for=me", None),
        ("PUT", f"{one}/reactions/{quote('👍')}", None),
        ("DELETE", f"{one}/reactions/{quote('👍')}", None),
        ("GET", f"{one}/receipts", None),
        ("POST", f"{conversation}/read", {"message_id": message}),
        ("POST", f"{conversation}/delivered", {"message_id": message}),
        ("GET", "/api/chat/conversations", None),
        ("GET", f"/api/chat/conversations/{key}/messages", None),
        ("GET", "/api/chat/unread", None),
        ("POST", "/api/messages", {"groupId": key, "content": "x", "replyTo": message}),
    ]


SECRET = "the-secret"


def test_who_is_no_member_sees_no_byte_of_a_conversation(client, settings, service, people, user_token, stranger):
    from tests.factories import create_token

    group = begin(people["alice"], "bob", "carol", name=f"{SECRET}-name")
    say(people["alice"], group, "with carol")
    assert people["alice"].delete(f"{group}/members/carol").status_code == 200
    sent = say(people["alice"], group, f"{SECRET}-content", temp_id="t", media_url=f"/{SECRET}", mentions=["bob"])
    people["bob"].put(f"{group}/messages/{sent['id']}/reactions/{quote('👍')}")
    namesake = Caller(client, create_token(settings, subject="alice", tenant="umbra"))
    newcomer = Caller(client, user_token("dora"))
    for caller in (people["carol"], newcomer, namesake, stranger):
        for method, path, document in attempts(group, sent["id"]):
            answer = caller.ask(method, path, document)
            assert SECRET not in answer.text, (method, path)
            if answer.status_code == 200:
                # What is about the caller, who has nothing.
                assert path.partition("?")[0].rpartition("/")[2] in ("conversations", "unread", "search"), (
                    method,
                    path,
                )
                assert sent["id"] not in answer.text
                assert not any(answer.json.get(name) for name in ("data", "conversations", "unread", "unreadCount"))
            else:
                assert answer.status_code in (403, 404, 422), (method, path, answer.text)
    assert people["bob"].get(f"{group}/messages/{sent['id']}").json["content"] == f"{SECRET}-content"


def test_a_member_sees_no_byte_of_a_message_that_is_private_to_others(people):
    group = begin(people["alice"], "bob", "carol")
    say(people["alice"], group, "for all")
    sent = say(people["alice"], group, f"{SECRET}-content", private_to="bob", temp_id=SECRET, media_url=f"/{SECRET}")
    people["bob"].put(f"{group}/messages/{sent['id']}/reactions/{quote('👍')}")
    people["bob"].post(f"{group}/read", {"message_id": sent["id"]})
    carol = people["carol"]
    assert carol.get("/v1/conversations").json["data"][0]["unread"] == 1
    for method, path, document in attempts(group, sent["id"]):
        if path.endswith("/members/alice") and method == "DELETE":
            continue
        answer = carol.ask(method, path, document)
        assert SECRET not in answer.text, (method, path)
        if "/messages/" in path:
            assert answer.status_code == 404, (method, path)
        if method == "GET" and answer.status_code == 200:
            assert sent["id"] not in answer.text, (method, path)
    assert carol.post(f"{group}/messages", {"content": "x", "reply_to": sent["id"]}).status_code == 422
    assert carol.get(f"{group}/messages/{uuid4()}").status_code == 404


def test_a_search_finds_what_messages_say_now(people):
    alice, bob = people["alice"], people["bob"]
    garden, other = begin(alice, "bob", name="Garden"), begin(alice, "bob", name="Other")
    first = say(alice, garden, "Who waters the tomatoes?")
    second = say(bob, garden, "I do, José")
    third = say(alice, other, "Tomatoes are red 🍅")

    def found(caller: Caller, asked: str) -> list[str]:
        answer = caller.get(f"/v1/conversations/search?q={quote(asked)}")
        assert answer.status_code == 200, answer.text
        return [one["id"] for one in answer.json["data"]]

    assert found(alice, "TOMATO") == found(bob, "tomatoes ") == [third["id"], first["id"]]
    assert found(alice, "jose") == [second["id"]]
    assert found(alice, "🍅") == [third["id"]]
    assert alice.get(f"/v1/conversations/search?q=tomatoes&conversation={garden.rpartition('/')[2]}").json["data"] == [
        alice.get(f"{garden}/messages/{first['id']}").json
    ]
    page = alice.get("/v1/conversations/search?q=tomatoes&limit=1").json
    assert [one["id"] for one in page["data"]] == [third["id"]]
    page = alice.get(f"/v1/conversations/search?q=tomatoes&limit=1&after={page['page']['next']}").json
    assert ([one["id"] for one in page["data"]], page["page"]["has_more"]) == ([first["id"]], False)
    assert alice.get("/v1/conversations/search?q=x&after=nothing").status_code == 422
    assert alice.get("/v1/conversations/search?q=").status_code == 422
    assert alice.get("/api/chat/search?q=red").json["messages"][0]["messageId"] == third["id"]

    alice.ask("PATCH", f"{garden}/messages/{first['id']}", {"content": "Who waters the beans?"})
    assert found(bob, "tomatoes") == [third["id"]]
    assert found(bob, "beans") == [first["id"]]
    alice.delete(f"{garden}/messages/{first['id']}?for=everyone")
    bob.delete(f"{other}/messages/{third['id']}?for=me")
    assert found(bob, "beans") == found(bob, "tomatoes") == []
    assert found(alice, "beans") == []
    assert found(alice, "tomatoes") == [third["id"]]


def test_ids_of_conversations_are_no_paths_of_the_api(service):
    for reserved in ("search", "unread"):
        begun = {"type": "group", "id": reserved, "participants": ["alice"]}
        assert service.post("/v1/conversations", begun).status_code == 422


def test_clients_of_earlier_systems_find_their_conversations(people):
    alice, bob = people["alice"], people["bob"]
    two = begin(alice, "bob", name="Pond")
    key = two.rpartition("/")[2]
    sent = say(alice, two, mentions=["bob"])
    listed = bob.get("/api/chat/conversations?page=1").json
    [one] = listed["conversations"]
    assert (one["conversationId"], one["type"], one["participants"], one["createdBy"]) == (
        key,
        "group",
        ["alice", "bob"],
        "alice",
    )
    assert (one["unreadCount"], one["lastMessage"]["messageId"]) == (1, sent["id"])
    assert bob.get("/api/chat/unread").json == {"unreadCount": 1, "mentionCount": 1, "conversations": {key: 1}}
    for n in range(3):
        say(alice, two, str(n))
    page = bob.get(f"/api/chat/conversations/{key}/messages?limit=2").json
    assert [one["content"] for one in page["messages"]] == ["2", "1"]
    rest = bob.get(f"/api/chat/conversations/{key}/messages?before={page['page']['next']}").json
    assert [one["content"] for one in rest["messages"]] == ["0", "Hello"]
    assert rest["messages"][1]["senderKey"] == "alice"


def test_a_group_s_client_and_its_service_send_by_the_path_they_know(service, people):
    begin(service, "alice", "bob", id="7")
    sent = people["alice"].post("/api/messages", {"groupId": 7, "content": "I will do 3 h", "id": "x"})
    assert sent.status_code == 201
    message = sent.json["message"]
    assert {name: message[name] for name in ("userId", "isPrivate", "targetUserId", "content", "groupId")} == {
        "userId": "alice",
        "isPrivate": False,
        "targetUserId": None,
        "content": "I will do 3 h",
        "groupId": "7",
    }
    private = {"groupId": "7", "content": "3 h of what?", "isPrivate": True, "targetUserId": "alice"}
    assert service.post("/api/messages", private).json["message"]["userId"] is None
    assert service.post("/api/messages", {"groupId": "7", "content": "Hi", "userId": "bob"}).json["message"]["no"] == 3
    assert people["alice"].post("/api/messages", {**private, "targetUserId": None}).status_code == 422
    seen = people["bob"].get("/api/chat/conversations/7/messages").json["messages"]
    assert [one["content"] for one in seen] == ["Hi", "I will do 3 h"]


def test_pages_of_other_origins_may_patch(client):
    headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "PATCH"}
    allowed = client.options("/v1/conversations/x", headers=headers).headers["Access-Control-Allow-Methods"]
    assert "PATCH" in allowed.split(", ")
