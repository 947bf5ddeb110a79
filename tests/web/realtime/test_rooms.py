"""Rooms are given by the token: what clients say to join one only confirms, whoever they say they are."""

from __future__ import annotations

from typing import Any

import pytest

from models.sql.engine import read
from models.sql.types import metadata
from tests.waiting import eventually
from tests.web.realtime.fakes import session
from tests.web.realtime.stack import Client, Stack
from tests.web.realtime.test_live import states
from web.realtime.gateway.sessions import Session
from web.realtime.handlers import rooms
from web.realtime.payloads import Refused

FOREIGN = [
    "tenant:other",
    "user:bob",
    "tenant:",
    "",
    "tenant:acme ",
    "TENANT:acme",
    "conversation:1",
    "acme/tenant:acme",
]


@pytest.mark.parametrize("handler", [rooms.join, rooms.leave])
@pytest.mark.parametrize("room", ["tenant:acme", "user:alice"])
def test_a_room_of_ones_own_is_confirmed_any_number_of_times(handler: Any, room: str):
    one = session()
    one.progress.start("e", {room: 5})
    for _ in range(2):
        assert handler(one, {"room": room})["room"] == room
    assert rooms.join(one, {"room": room})["seq"] == 5


@pytest.mark.parametrize("handler", [rooms.join, rooms.leave])
@pytest.mark.parametrize("room", FOREIGN)
def test_another_room_does_not_exist(handler: Any, room: str):
    one = session()
    before = (one.rooms, one.channel_rooms(), dict(one.progress.positions))
    with pytest.raises(Refused) as refused:
        handler(one, {"room": room})
    assert refused.value.code == "not_found"
    assert (one.rooms, one.channel_rooms(), dict(one.progress.positions)) == before


@pytest.mark.parametrize(
    "payload", [None, {}, {"room": None}, {"room": 5}, {"room": ["tenant:acme"]}, {"room": "x" * 201}, "tenant:acme", 7]
)
def test_what_is_no_room_is_refused(payload: Any):
    one: Session = session()
    with pytest.raises(Refused) as refused:
        rooms.join(one, payload)
    assert refused.value.code == "bad_request"


# Over real processes.


def contents(stack: Stack) -> dict[str, list[Any]]:
    with read(stack.engine) as connection:
        return {table.name: connection.execute(table.select()).all() for table in metadata.sorted_tables}


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["tenant", None])
def test_a_tenant_is_joined_with_an_answer(stack: Stack, dialect: str | None):
    client = stack.client(dialect=dialect)
    stack.writer.publish(stack.append(2, f"tenant:{stack.tenant}"))
    eventually(lambda: client.has(1, 2, f"tenant:{stack.tenant}"))
    joined = {"ok": True, "success": True, "room": f"tenant:{stack.tenant}", "seq": 2}
    assert client.call("join-tenant", stack.tenant) == joined
    assert client.call("join-tenant", {"tenantId": stack.tenant}) == joined


@pytest.mark.slow
@pytest.mark.parametrize(
    ("event", "foreign", "bad"),
    [
        ("join-tenant", ["{other}", {"tenantId": "{other}"}, 5], [None, True, [], {}]),
        ("join-group", ["g1", {"groupId": "g1"}], [None]),
        ("leave-group", ["g1"], [None, {}]),
        ("chat:conversation:join", [{"conversationId": "c1"}], [None, {}]),
        ("register", ["bob", {"user_id": "bob"}, {"userId": 5}], [None, {"user_id": None}, {"user_id": True}]),
        ("room:join", [{"room": "tenant:{other}"}], [{"room": "tenant:x", "user": "bob"}]),
    ],
)
def test_what_is_not_ones_own_is_not_found_and_leaves_no_trace(
    stack: Stack, event: str, foreign: list[Any], bad: list[Any]
):
    other = Stack(stack.web, stack.engine, f"{stack.tenant}-other")
    client = stack.client(dialect=None)
    before = contents(stack)
    for code, payloads in (("not_found", foreign), ("bad_request", bad)):
        for payload in payloads:
            answer = client.call(event, _named(payload, other.tenant))
            assert (answer["ok"], answer["error"]["code"]) == (False, code), payload
            assert answer.get("success", False) is False
    assert contents(stack) == before
    # Nothing of theirs is heard.
    other.writer.publish(other.append(1, f"tenant:{other.tenant}"))
    stack.writer.publish(stack.append(1, f"tenant:{stack.tenant}"))
    eventually(lambda: client.has(1, 1, f"tenant:{stack.tenant}"))
    assert client.seqs(f"tenant:{other.tenant}") == []
    other.close()


def _named(payload: Any, other: str) -> Any:
    if isinstance(payload, str):
        return payload.replace("{other}", other)
    return {k: _named(v, other) for k, v in payload.items()} if isinstance(payload, dict) else payload


@pytest.mark.slow
def test_who_registers_is_who_the_token_says(stack: Stack):
    client = stack.client("7", dialect="simple")
    registered = {"ok": True, "success": True, "room": "user:7", "seq": 0}
    for payload in ("7", 7, {"user_id": "7"}, {"userId": 7}):
        assert client.call("register", payload) == registered
    assert client.call("register", {"user_id": "alice"})["error"]["code"] == "not_found"


@pytest.mark.slow
def test_several_notifications_are_marked_read_at_once(stack: Stack):
    client, other = stack.client(dialect="simple"), stack.client(dialect="hub")
    ids = [str(stack.notify()) for _ in range(3)]
    answer = client.call("mark_read", {"notification_ids": ids[:2]})
    assert (answer["ok"], answer["success"]) == (True, True)
    assert states(stack) == ["acked", "acked", "sent"]
    assert client.call("mark_read", ids[2])["ok"]
    assert states(stack) == ["acked"] * 3
    # Every page of the user hears of it once the event is published; here nobody does that, so it comes out of the log.
    eventually(lambda: len(other.all("notification:read")) == 2)
    assert client.call("mark_read", {})["error"]["code"] == "bad_request"


def errors(client: Client) -> list[tuple[str, str, str]]:
    return [
        (name, data["code"], data["event"]) for name, data in list(client.heard) if name in ("error", "error:occurred")
    ]


@pytest.mark.slow
def test_who_asks_for_no_answer_is_told_what_went_wrong(stack: Stack):
    clients = {name: stack.client(dialect=name) for name in ("hub", "tenant", "canonical")}
    for client in clients.values():
        client.sio.emit("join-tenant", "another")
        assert client.call("test", 1)["ok"]
    assert errors(clients["hub"]) == [("error", "unknown_event", "join-tenant")]
    assert errors(clients["tenant"]) == [("error:occurred", "not_found", "join-tenant")]
    assert errors(clients["canonical"]) == []
    [problem] = clients["hub"].all("error")
    assert problem["type"] == "urn:carillon:problem:unknown_event"
    assert problem["detail"] == problem["message"]
    # A flood is refused once.
    for _ in range(60):
        clients["hub"].sio.emit("test", {})
    clients["hub"].call("test", 1)
    assert [code for _, code, _ in errors(clients["hub"])].count("rate_limited") == 1
