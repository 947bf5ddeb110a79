"""What a connected client hears and may ask, over real processes."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from actions.installation import utc_now
from models.deliveries.tables import deliveries
from models.notifications.recall import recall
from models.sql.engine import read, write
from models.users.tables import users
from tests import factories
from tests.waiting import eventually
from tests.web.realtime.stack import Stack
from web.realtime.limits import PER_CONNECTION, PER_USER_AND_EVENT, REFUSALS_BEFORE_DISCONNECT

pytestmark = pytest.mark.slow


def states(stack: Stack, user: str = "alice") -> list[str]:
    query = select(deliveries.c.state).join(users).order_by(deliveries.c.id)
    with read(stack.engine) as connection:
        rows = connection.execute(query.where(users.c.tenant_id == stack.tenant, users.c.external_id == user))
        return list(rows.scalars())


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_what_is_sent_is_on_every_screen_of_the_user_and_on_no_other(stack: Stack, transport: str):
    other = Stack(stack.web, stack.engine, f"{stack.tenant}-other")
    mine = [stack.client(transport=transport), stack.client()]
    others = [stack.client("bob"), other.client("alice")]
    notification = stack.notify(title="One")
    eventually(lambda: all(client.titles() == ["One"] for client in mine))
    [payload] = mine[0].all("notification:new")
    assert payload["id"] == payload["notification_id"] == str(notification)
    assert (payload["room"], payload["seq"]) == ("user:alice", 1)
    stack.notify("bob", title="Two")
    other.notify(title="Three")
    eventually(lambda: [client.titles() for client in others] == [["Two"], ["Three"]])
    assert [client.titles() for client in mine] == [["One"], ["One"]]
    other.close()


def test_the_room_of_the_tenant(stack: Stack):
    clients = [stack.client("alice"), stack.client("bob")]
    stack.writer.publish(stack.append(3, f"tenant:{stack.tenant}"))
    eventually(lambda: all(client.has(1, 3, f"tenant:{stack.tenant}") for client in clients))


def test_a_live_event_looks_like_a_replayed_one(stack: Stack):
    live = stack.client()
    start = live.ready
    assert start is not None
    stack.notify()
    eventually(lambda: live.has(1, 1))
    late = stack.client(cursor=start["cursor"])
    assert late.ready is not None
    assert late.ready["replayed"] == 1
    assert late.rooms == live.rooms


def test_a_recalled_notification_disappears_live_and_leaves_its_number_for_replays(stack: Stack):
    live = stack.client()
    notification = stack.notify()
    eventually(lambda: live.has(1, 1))
    with write(stack.engine) as connection:
        assert recall(connection, stack.tenant, notification, utc_now())
    factories.expand_all(stack.engine, notification, utc_now())
    stack.publish()
    eventually(lambda: live.all("notification:deleted"))
    assert live.has(1, 2)
    late = stack.client(last_seq=0)
    assert [(name, data["seq"]) for name, data in late.heard if "room" in data] == [
        ("event:skipped", 1),
        ("notification:deleted", 2),
    ]


def test_acknowledging_marks_ones_own_deliveries(stack: Stack):
    client = stack.client()
    first, second, third = (stack.notify() for _ in range(3))
    foreign = stack.notify("bob")
    assert client.call("notification:ack", {"ids": [str(second), str(foreign)]}) == {"ok": True, "acked": 1}
    assert states(stack) == ["sent", "acked", "sent"]
    assert client.call("notification:ack", {"seq": 2, "ids": [str(second)]}) == {"ok": True, "acked": 1}
    assert client.call("notification:ack", {"seq": 2}) == {"ok": True, "acked": 0}
    assert states(stack) == ["acked", "acked", "sent"]
    assert states(stack, "bob") == ["sent"]
    assert first != third


def test_a_thousand_ids_are_acknowledged_at_once(stack: Stack):
    client = stack.client()
    notification = str(stack.notify())
    assert client.call("notification:ack", {"ids": [notification] * 1000}) == {"ok": True, "acked": 1}
    # More is too large for one message, or refused.
    answer = client.call("notification:ack", {"ids": [notification] * 1001})
    assert answer["error"]["code"] == "bad_request"


MALFORMED: list[tuple[str, object, str]] = [
    ("notification:ack", {}, "bad_request"),
    ("notification:ack", {"ids": "all"}, "bad_request"),
    ("notification:ack", {"ids": [True]}, "bad_request"),
    ("notification:ack", {"seq": True}, "bad_request"),
    ("notification:ack", {"seq": -1}, "bad_request"),
    ("notification:ack", {"seq": 2**63}, "bad_request"),
    ("notification:ack", {"seq": 1, "user": "bob"}, "bad_request"),
    ("notification:ack", [1], "bad_request"),
    ("sync", {"cursor": "nonsense"}, "bad_request"),
    ("sync", {"cursor": 7}, "bad_request"),
    ("sync", {"positions": {"user:alice": "1"}}, "bad_request"),
    ("auth:refresh", {}, "bad_request"),
    ("auth:refresh", {"token": "nonsense"}, "invalid_token"),
    ("join", {"room": "user:bob"}, "unknown_event"),
    ("", None, "unknown_event"),
]


def test_a_malformed_event_is_answered_with_an_error(stack: Stack):
    client = stack.client()
    for event, payload, code in MALFORMED:
        answer = client.call(event, payload)
        assert (answer["ok"], answer["error"]["code"]) == (False, code), (event, payload)
        assert answer["error"]["message"]
        # Within the limit of events.
        time.sleep(0.05)
    assert client.call("test", {"still": "here"}) == {"ok": True, "received": {"still": "here"}}


def test_echo(stack: Stack):
    client = stack.client()
    for data in ({"a": [1, None, "ü"]}, "text", 7):
        assert client.call("test", data) == {"ok": True, "received": data}
    assert client.call("test", ("two", "payloads"))["error"]["code"] == "bad_request"


def test_events_of_other_modules(stack: Stack):
    client = stack.client()
    assert client.call("whoami", {"user": "bob"}) == {"ok": True, "user": "alice", "payload": {"user": "bob"}}
    answer = client.call("broken")
    assert (answer["ok"], answer["error"]["code"]) == (False, "internal")
    assert "a bug" not in str(answer)
    assert client.call("whoami")["ok"]


def test_whoever_sends_too_much_is_slowed_down_and_then_sent_away(stack: Stack):
    client = stack.client()
    answers: list[dict] = []
    for _ in range(60):
        client.sio.emit("test", {}, callback=answers.append)
    eventually(lambda: len(answers) == 60)
    codes = [answer.get("error", {}).get("code") for answer in answers]
    assert codes[:40] == [None] * 40
    assert codes.count("rate_limited") >= 10
    for _ in range(REFUSALS_BEFORE_DISCONNECT + 100):
        client.sio.emit("test", {})
    eventually(lambda: client.ended)
    assert client.all("session:closing")[0]["code"] == "rate_limited"


def test_a_user_with_many_connections_is_slowed_down_on_all_of_them_together(stack: Stack):
    number = 2 * PER_USER_AND_EVENT.burst // PER_CONNECTION.burst
    clients, bob = [stack.client() for _ in range(number)], stack.client("bob")
    answers: list[dict] = []
    for _ in range(PER_CONNECTION.burst):
        for client in clients:
            client.sio.emit("test", {}, callback=answers.append)
    eventually(lambda: len(answers) == number * PER_CONNECTION.burst)
    # None of them has sent more than a connection may.
    codes = [answer.get("error", {}).get("code") for answer in answers]
    assert codes.count(None) + codes.count("rate_limited") == len(codes)
    assert codes.count("rate_limited") >= 10
    assert bob.call("test", 1)["ok"]


def test_a_token_that_expires_ends_the_connection_after_a_warning(stack: Stack):
    client = stack.client(token=stack.token(lifetime=timedelta(seconds=2)))
    ready = eventually(lambda: client.ready)
    eventually(lambda: client.all("session:expiring"))
    assert client.all("session:expiring")[0]["exp"] == ready["exp"]
    assert not client.ended
    eventually(lambda: client.ended)
    assert abs(time.time() - ready["exp"]) < 1
    assert client.all("session:closing")[0]["code"] == "token_expired"


def test_refreshing_the_token_extends_the_connection(stack: Stack):
    client = stack.client(token=stack.token(lifetime=timedelta(seconds=2)))
    before = eventually(lambda: client.ready)["exp"]
    answer = client.call("auth:refresh", {"token": stack.token(lifetime=timedelta(seconds=60))})
    assert answer["ok"]
    assert answer["exp"] > before
    for stranger in (stack.token("bob"), stack.token(audience="carillon:service")):
        assert client.call("auth:refresh", {"token": stranger})["error"]["code"] == "forbidden"
    time.sleep(max(0, before + 0.5 - time.time()))
    assert client.call("test", 1)["ok"]
    assert not client.all("session:expiring")
