"""The log by polling, and acknowledgements by HTTP."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from actions.installation import utc_now
from models.events import log
from models.events.log import new_epoch
from models.sql.engine import write
from tests.chat import group, say
from tests.factories import create_installation, create_users, expand_all
from tests.web.callers import Caller


@pytest.fixture
def notify(service, engine):
    """Send a notification and expand it. Returns its id."""

    def send(user: str = "alice", **other) -> str:
        notification = service.send(audience={"users": [user]}, **other).json["id"]
        expand_all(engine, UUID(notification), utc_now())
        return notification

    return send


def poll(caller: Caller, cursor: str, limit: int = 200) -> dict:
    answer = caller.get(f"/v1/events?cursor={cursor}&limit={limit}")
    assert answer.status_code == 200
    return answer.json


def begin(caller: Caller) -> str:
    first = caller.get("/v1/events").json
    assert (first["data"], first["complete"], first["more"]) == ([], True, False)
    return first["cursor"]


def test_polling_begins_now_and_misses_nothing_from_then_on(alice, notify):
    # Nobody has heard of alice yet: her room comes into being with her first notification.
    cursor = begin(alice)
    ids = [notify(title=f"Number {n}") for n in range(3)]
    page = poll(alice, cursor)
    assert [e["event"] for e in page["data"]] == ["notification:new"] * 3
    assert [e["payload"]["id"] for e in page["data"]] == ids
    assert [(e["room"], e["seq"]) for e in page["data"]] == [("user:alice", n) for n in (1, 2, 3)]
    assert page["data"][0]["payload"]["title"] == "Number 0"
    assert page["poll_interval_ms"] > 0
    assert poll(alice, page["cursor"])["data"] == []
    # The same cursor may be used again: nothing is taken off the log by reading it.
    assert len(poll(alice, cursor)["data"]) == 3


def test_a_cursor_outlives_empty_polls_before_the_first_event(alice, notify):
    cursor = begin(alice)
    for _ in range(3):
        cursor = poll(alice, cursor)["cursor"]
    notify()
    assert len(poll(alice, cursor)["data"]) == 1


def test_more_than_a_page_is_fetched_in_pages(alice, notify):
    cursor = begin(alice)
    ids = [notify() for _ in range(5)]
    seen = []
    while True:
        page = poll(alice, cursor, limit=2)
        seen += [e["payload"]["id"] for e in page["data"]]
        cursor = page["cursor"]
        if not page["more"]:
            break
    assert seen == ids


def test_the_tenants_room_is_heard_by_all_its_users(alice, client, user_token, engine, notify):
    bob = Caller(client, user_token("bob"))
    cursors = [begin(alice), begin(bob)]
    now = utc_now()
    with write(engine) as connection:
        log.append(connection, "acme", "tenant:acme", "alert:new", {"n": 1}, now, now + timedelta(days=1))
    notify("bob")
    assert [e["room"] for e in poll(alice, cursors[0])["data"]] == ["tenant:acme"]
    assert [e["room"] for e in poll(bob, cursors[1])["data"]] == ["user:bob", "tenant:acme"]


def test_nobody_hears_another_tenant(alice, client, user_token, stranger, service, engine, notify):
    namesake = Caller(client, user_token("alice", tenant="umbra"))
    cursor, ours = begin(namesake), begin(alice)
    notify("alice")
    assert poll(namesake, cursor)["data"] == []
    # A cursor is a position and no permission: with ours the namesake hears nothing either.
    assert poll(namesake, ours)["data"] == []


def test_a_recalled_notification_is_not_shown_to_a_latecomer(alice, service, engine, notify):
    cursor = begin(alice)
    notification = notify(title="Oops")
    service.delete(f"/v1/notifications/{notification}")
    expand_all(engine, UUID(notification), utc_now())
    page = alice.get(f"/v1/events?cursor={cursor}")
    assert "Oops" not in page.text
    assert [e["seq"] for e in page.json["data"]] == [1, 2]
    assert page.json["data"][1]["event"] == "notification:deleted"


def test_after_a_restore_the_client_is_told_to_begin_anew(alice, engine, notify):
    cursor = begin(alice)
    notify()
    with write(engine) as connection:
        new_epoch(connection)
    page = poll(alice, cursor)
    assert (page["complete"], page["data"]) == (False, [])
    notify()
    assert len(poll(alice, page["cursor"])["data"]) == 1


def test_a_cursor_that_would_be_too_long_for_a_url_is_not_given(alice, engine):
    create_users(engine, ["alice", "bob"])
    chat = create_installation(engine)
    talks = [group(chat, "alice", "bob") for _ in range(100)]
    cursor = begin(alice)
    for talk in talks:
        say(chat, talk, "bob")
    page = poll(alice, cursor, limit=1)
    assert (page["data"], page["complete"], page["more"]) == ([], False, False)
    assert len(page["cursor"]) < 6000
    say(chat, talks[0], "bob", "Hello again")
    [event] = poll(alice, page["cursor"])["data"]
    assert (event["event"], event["payload"]["content"]) == ("chat:message", "Hello again")


def test_the_head_tells_whether_something_was_missed(alice, notify):
    cursor = begin(alice)
    assert alice.get("/v1/events/head").json["cursor"] == cursor
    notify()
    assert alice.get("/v1/events/head").json["cursor"] != cursor
    assert alice.get("/v1/events/head").json["cursor"] == poll(alice, cursor)["cursor"]


@pytest.mark.parametrize("bad", ["cursor=x", "cursor=", "cursor=AAAA", "cursor=" + "A" * 6001, "limit=0", "since=0"])
def test_a_bad_query_is_refused(alice, bad):
    assert alice.get(f"/v1/events?{bad}").status_code == 422


def test_a_services_key_hears_nothing(service):
    for path in ("/v1/events", "/v1/events/head"):
        assert service.get(path).status_code == 403
    assert service.post("/v1/acks", {"up_to_seq": 1}).status_code == 403


def state(service, notification: str) -> dict:
    return service.get(f"/v1/notifications/{notification}").json["deliveries"]["in_app"]


def test_acknowledging_is_idempotent(alice, service, notify):
    first, second = notify(), notify()
    assert alice.post("/v1/acks", {"ids": [first]}).json == {"acknowledged": 1}
    assert alice.post("/v1/acks", {"ids": [first, first]}).json == {"acknowledged": 0}
    assert state(service, first) == {"acked": 1}
    assert state(service, second) == {"sent": 1}
    assert alice.post("/v1/acks", {"up_to_seq": 2}).json == {"acknowledged": 1}
    assert alice.post("/v1/acks", {"up_to_seq": 2**53, "ids": []}).json == {"acknowledged": 0}


def test_nobody_acknowledges_for_another(client, user_token, stranger, service, notify):
    notification = notify("alice")
    for caller in (Caller(client, user_token("bob")), Caller(client, user_token("alice", tenant="umbra"))):
        assert caller.post("/v1/acks", {"ids": [notification], "up_to_seq": 100}).json == {"acknowledged": 0}
    assert state(service, notification) == {"sent": 1}


@pytest.mark.parametrize(
    "bad",
    [{}, {"ids": None}, {"ids": ["x"]}, {"ids": [1]}, {"ids": [str(uuid4())] * 1001}, {"up_to_seq": -1},
     {"up_to_seq": "1"}, {"up_to_seq": True}, {"up_to_seq": 2**53 + 1}, {"up_to_seq": 1.5}, {"seq": 1}, []]
)  # fmt: skip
def test_a_bad_acknowledgement_is_refused(alice, bad):
    assert alice.post("/v1/acks", bad).status_code == 422


def test_a_poll_names_the_position_as_the_socket_does(alice, notify):
    cursor = begin(alice)
    notify()
    page = poll(alice, cursor)
    assert page["positions"] == {"user:alice": 1, "tenant:acme": 0}
    head = alice.get("/v1/events/head").json
    assert {name: page[name] for name in ("epoch", "positions", "cursor")} == head


def test_a_poll_tells_events_by_the_names_of_the_dialect(alice, notify):
    cursor = begin(alice)
    notify()

    def told(dialect: str) -> list[str]:
        return [e["event"] for e in alice.get(f"/v1/events?cursor={cursor}&dialect={dialect}").json["data"]]

    assert told("tenant") == ["notification:created"]
    assert told("simple") == ["notification"]
    assert told("mixed") == ["notification:new", "notification:created", "notification"]
    assert alice.get("/v1/events?dialect=klingon").status_code == 422
    assert alice.get("/v1/events?dialect=ns4").status_code == 422
