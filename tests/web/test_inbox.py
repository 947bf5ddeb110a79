"""The inbox by HTTP and on the socket: the same operations, answers that tell the state, and bells."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from actions import change_inbox as actions
from actions.installation import utc_now
from actions.principal import Principal
from models.catalogue.schema import payload_errors
from models.catalogue.source import built_in
from models.deliveries.claim import claim
from models.deliveries.lifecycle import State, Transition
from models.deliveries.record import record
from models.events.cursor import Cursor
from models.events.log import epoch, read_after
from models.retry import RetryPolicy
from models.sql.engine import read
from tests.factories import accept_one, create_installation, create_tenant, create_users, expand_all
from tests.web.callers import Caller
from web.realtime.handlers.inbox import inbox_events
from web.realtime.payloads import Refused

ACTIONS = ("read", "unread", "seen", "archive", "unarchive")


@pytest.fixture
def people(engine, tenant):
    create_users(engine, ["alice", "bob"], device=True, now=utc_now())


@pytest.fixture
def bob(client, user_token) -> Caller:
    return Caller(client, user_token("bob"))


@pytest.fixture
def other_alice(client, settings, engine, user_token) -> Caller:
    """Somebody of the same name in another tenant."""
    return Caller(client, user_token("alice", tenant=create_tenant(engine, "umbra")))


@pytest.fixture
def socket(engine, recorder):
    """Says something on the socket of a user; answers with the acknowledgement."""
    handlers = inbox_events(create_installation(engine, recorder))

    def say(event: str, payload=None, user="alice", tenant="acme"):
        return handlers[event](Principal("user", tenant, user, "live", None), payload)

    return say


def notify(engine, *users: str, n: int = 1, **other) -> list[str]:
    """Notifications in the inboxes of these users, oldest first."""
    now = utc_now()
    ids = []
    for _ in range(n):
        audience = {"users": [{"id": u} for u in users or ("alice",)]}
        ids.append(accept_one(engine, now, audience=audience, expires_at=now + timedelta(days=1), **other))
        expand_all(engine, ids[-1], now)
    return [str(i) for i in ids]


def show_on_devices(engine) -> None:
    with engine.begin() as connection:
        batch = claim(connection, "push", RetryPolicy(1, 10, None), 100, 60, utc_now())
        record(connection, batch.lease, [(m.delivery_id, Transition(State.SENT, 1)) for m in batch.messages], utc_now())


def heard(engine, room="user:alice") -> list[tuple[str, dict]]:
    with read(engine) as connection:
        cursor = Cursor(epoch(connection), {room: 0})
        replay = read_after(connection, "acme", room.removeprefix("user:"), cursor, utc_now(), limit=1000)
    return [(e.type, e.data) for e in replay.events if e.data is not None]


def ids(page) -> list[str]:
    return [item["id"] for item in page.json["data"]]


def test_a_list_has_pages_newest_first(engine, people, alice):
    sent = notify(engine, n=5)[::-1]
    first = alice.get("/v1/inbox?limit=2")
    assert (ids(first), first.json["page"]) == (sent[:2], {"next": sent[1], "has_more": True})
    second = alice.get(f"/v1/inbox?limit=2&after={first.json['page']['next']}")
    third = alice.get(f"/v1/inbox?limit=2&after={second.json['page']['next']}")
    assert ids(second) + ids(third) == sent[2:]
    assert third.json["page"] == {"next": None, "has_more": False}


def test_an_item_is_what_the_event_brought_and_its_state(engine, people, alice):
    [n] = notify(engine, title="Hi", category="billing", type="invoice", level="warning", url="https://a.test/")
    item = alice.get(f"/v1/inbox/{n}").json
    assert item["id"] == item["notification_id"] == n
    assert (item["title"], item["message"], item["data"], item["seq"]) == ("Hi", "World", {"n": 1}, 1)
    assert (item["level"], item["severity"], item["category"], item["type"]) == ("warning",) * 2 + (
        "billing",
        "invoice",
    )
    assert item["created_at"] == item["timestamp"]
    assert (item["status"], item["read"], item["seen_at"], item["read_at"]) == ("unread", False, None, None)
    after = alice.post(f"/v1/inbox/{n}/read", None).json
    assert (after["status"], after["read"]) == ("read", True)
    assert after["read_at"] == after["seen_at"]
    assert alice.post(f"/v1/inbox/{n}/archive", None).json["status"] == "archived"
    assert alice.get("/v1/inbox").json["data"] == []
    assert ids(alice.get("/v1/inbox?status=archived")) == [n]
    assert alice.post(f"/v1/inbox/{n}/unarchive", None).json["status"] == "read"
    assert alice.post(f"/v1/inbox/{n}/unread", None).json["status"] == "unread"


def test_filters(engine, people, alice):
    [a] = notify(engine, category="billing", level="warning")
    [b] = notify(engine, type="like")
    alice.post(f"/v1/inbox/{b}/read", None)
    for query, expected in {
        "status=unread": [a],
        "status=read": [b],
        "status=all": [b, a],
        "category=billing": [a],
        "type=like": [b],
        "level=warning": [a],
        "category=billing&status=read": [],
    }.items():
        assert ids(alice.get(f"/v1/inbox?{query}")) == expected, query
    for bad in ("status=gone", "after=x", "limit=0", "limit=201", "categori=x", "level=loud", "category=a%20b"):
        assert alice.get(f"/v1/inbox?{bad}").status_code == 422, bad


def test_counts(engine, people, alice, bob):
    assert alice.get("/v1/inbox/counts").json == {"unread": 0, "unseen": 0, "total": 0}
    a, b, _ = notify(engine, "alice", "bob", n=3)
    alice.post(f"/v1/inbox/{a}/read", None)
    alice.post(f"/v1/inbox/{b}/seen", None)
    assert alice.get("/v1/inbox/counts").json == {"unread": 2, "unseen": 1, "total": 3}
    assert bob.get("/v1/inbox/counts").json == {"unread": 3, "unseen": 3, "total": 3}


def test_what_is_not_theirs_is_not_there(engine, people, alice, bob, other_alice, bells):
    [n] = notify(engine)
    posts = [("POST", f"/{action}") for action in ACTIONS]
    for stranger in (bob, other_alice):
        for method, path in (("GET", ""), ("DELETE", ""), *posts):
            refused = stranger.ask(method, f"/v1/inbox/{n}{path}")
            absent = stranger.ask(method, f"/v1/inbox/{uuid4()}{path}")
            assert refused.status_code == absent.status_code == 404
            assert refused.json["detail"] == absent.json["detail"]
    for method, path in (("GET", ""), ("DELETE", ""), *posts):
        assert alice.ask(method, f"/v1/inbox/not-an-id{path}").status_code == 404
    assert heard(engine) == []
    assert bells == []


def test_a_change_rings_and_a_repetition_does_not(engine, people, alice, bells):
    [n] = notify(engine)
    show_on_devices(engine)
    assert alice.post(f"/v1/inbox/{n}/read", None).status_code == 200
    assert bells == [("publish", []), ("deliver push", [])]
    bells.clear()
    assert alice.post(f"/v1/inbox/{n}/read", None).status_code == 200
    assert bells == []
    assert [name for name, _ in heard(engine)] == ["notification:read", "notification:count"]


def test_a_deletion_may_be_repeated(engine, people, alice, bells):
    [n] = notify(engine)
    for _ in range(2):
        assert alice.delete(f"/v1/inbox/{n}").json == {"deleted": True}
    assert alice.get(f"/v1/inbox/{n}").status_code == 404
    assert alice.post(f"/v1/inbox/{n}/read", None).status_code == 404
    assert bells == [("publish", [])]
    assert [name for name, _ in heard(engine)] == ["notification:deleted", "notification:count"]


def test_who_was_away_hears_of_every_change(engine, people, alice):
    a, b = notify(engine, n=2)
    start = alice.get("/v1/events").json["cursor"]
    alice.post(f"/v1/inbox/{a}/read", None)
    alice.delete(f"/v1/inbox/{b}")
    missed = alice.get(f"/v1/events?cursor={start}").json["data"]
    told = [(event["event"], event["payload"].get("notification_id")) for event in missed]
    count = ("notification:count", None)
    assert told == [("notification:read", a), count, ("notification:deleted", b), count]
    assert missed[2]["payload"]["ids"] == [b]


def test_read_all_and_clear_by_filter(engine, people, alice):
    [a] = notify(engine, category="billing")
    [b] = notify(engine, category="social")
    [c] = notify(engine, category="billing")
    one = alice.post("/v1/inbox/read-all", {"category": "billing", "up_to": b})
    assert one.json == {"count": 1, "more": False, "counts": {"unread": 2, "unseen": 2, "total": 3}}
    assert alice.post("/v1/inbox/seen", {"up_to": b}).json["counts"] == {"unread": 2, "unseen": 1, "total": 3}
    assert alice.post("/v1/inbox/clear", {"status": "read"}).json["count"] == 1
    assert alice.post("/v1/inbox/read-all", {}).json["count"] == 2
    again = alice.post("/v1/inbox/read-all", {})
    assert again.json == {"count": 0, "more": False, "counts": {"unread": 0, "unseen": 0, "total": 2}}
    assert ids(alice.get("/v1/inbox")) == [c, b]
    assert alice.post("/v1/inbox/clear", {}).json["counts"]["total"] == 0
    assert a not in ids(alice.get("/v1/inbox?status=archived"))


def test_what_cannot_be_meant_is_refused(engine, people, alice):
    notify(engine)
    for path in ("read-all", "seen", "clear"):
        for document in ({"up_to": "x"}, {"up_to": 1}, {"unknown": 1}, []):
            assert alice.post(f"/v1/inbox/{path}", document).status_code == 422
    assert heard(engine) == []


def test_a_very_large_inbox_takes_several_requests(engine, people, alice, monkeypatch):
    notify(engine, n=5)
    pages = actions.change_page
    monkeypatch.setattr(actions, "change_page", lambda *given: pages(*given, 2))
    monkeypatch.setattr(actions, "MAX_PAGES", 2)
    first = alice.post("/v1/inbox/read-all", {}).json
    assert (first["count"], first["more"], first["counts"]["unread"]) == (4, True, 1)
    second = alice.post("/v1/inbox/read-all", {}).json
    assert (second["count"], second["more"], second["counts"]["unread"]) == (1, False, 0)


def test_what_comes_while_all_is_read_stays_unread(engine, people, alice, monkeypatch):
    notify(engine, n=3)
    pages = actions.change_page
    late: list[str] = []
    monkeypatch.setattr(actions, "change_page", lambda *given: pages(*given, 2))
    monkeypatch.setattr(actions, "ring", lambda _installation, _changed: late.extend([] if late else notify(engine)))
    assert alice.post("/v1/inbox/read-all", {}).json["count"] == 3
    assert ids(alice.get("/v1/inbox?status=unread")) == late


# On the socket


def test_the_socket_does_the_same(engine, people, socket, alice, bells):
    a, b, c = notify(engine, n=3)
    assert socket("notification:read", {"id": a}) == {"count": 1, "counts": {"unread": 2, "unseen": 2, "total": 3}}
    assert bells == [("publish", [])]
    assert socket("notification:read", {"notification_id": a})["count"] == 0
    assert socket("notification:seen", {"up_to": b})["counts"]["unseen"] == 1
    assert socket("notification:seen", {"ids": [c, str(uuid4())]})["count"] == 1
    assert socket("notification:archive", {"ids": [a, b]})["counts"]["total"] == 1
    assert socket("notification:unarchive", {"id": a})["count"] == 1
    assert socket("notification:unread", {"id": a})["counts"]["unread"] == 2
    assert socket("notification:read_all", {"up_to": a}) == {
        "count": 1,
        "more": False,
        "counts": {"unread": 1, "unseen": 0, "total": 2},
    }
    assert socket("notification:delete", {"id": a})["counts"]["total"] == 1
    assert socket("notification:count") == {"counts": {"unread": 1, "unseen": 0, "total": 1}}
    notify(engine)
    seen = {"count": 1, "more": False, "counts": {"unread": 2, "unseen": 0, "total": 2}}
    assert socket("notification:seen") == seen
    assert socket("notification:clear", {"status": "archived"})["count"] == 1
    assert socket("notification:clear")["counts"]["total"] == 0
    assert alice.get("/v1/inbox").json["data"] == []


def test_items_are_named_in_every_form(engine, people, socket):
    forms = [
        lambda n: n,
        lambda n: [n],
        lambda n: {"ids": [n]},
        lambda n: {"ids": n},
        lambda n: {"notification_ids": [n]},
        lambda n: {"notificationIds": [n]},
        lambda n: {"notification_id": n, "user_id": "bob"},
    ]
    for form, n in zip(forms, notify(engine, "alice", "bob", n=7), strict=True):
        assert socket("notification:read", form(n))["count"] == 1
    assert socket("notification:count")["counts"]["unread"] == 0
    assert socket("notification:count", user="bob")["counts"]["unread"] == 7


EVENTS = ("seen", "read", "unread", "archive", "unarchive", "delete")


def test_on_the_socket_too_what_is_not_theirs_is_not_there(engine, people, socket, bells):
    [n] = notify(engine)
    missing = {"ok": False, "error": {"code": "not_found", "message": "there is no such notification"}}
    for event in EVENTS:
        for user, tenant in (("bob", "acme"), ("alice", "umbra"), ("nobody", "acme")):
            assert socket(f"notification:{event}", {"id": n}, user, tenant) == missing
        assert socket(f"notification:{event}", {"ids": [str(uuid4())]}) == missing
    assert heard(engine) == []
    assert bells == []


MALFORMED = [
    *("", [], True, 1.5, {"id": ""}, {"id": "a\x00b"}, {"ids": [None]}, {"ids": [{}]}),
    {"ids": [str(UUID(int=i)) for i in range(1001)]},
]


def test_a_malformed_payload_is_refused(engine, people, socket):
    for event in EVENTS:
        for payload in MALFORMED:
            with pytest.raises(Refused) as refused:
                socket(f"notification:{event}", payload)
            assert refused.value.code == "bad_request"


def test_a_mistyped_filter_is_not_taken_for_all(engine, people, socket):
    notify(engine)
    for event in ("read_all", "clear", "seen"):
        for payload in ({"up_to": "x"}, {"up_too": None}, {"up_to": None, "categori": "x"}, []):
            with pytest.raises(Refused):
                socket(f"notification:{event}", payload)
    assert heard(engine) == []


def test_every_event_is_as_the_catalogue_has_it(engine, people, socket):
    sent = notify(engine, n=2)
    for event in ("read", "unread", "seen", "archive", "unarchive", "delete"):
        socket(f"notification:{event}", {"ids": sent})
    notify(engine)
    socket("notification:seen")
    socket("notification:read_all")
    socket("notification:clear")
    events = heard(engine)
    assert len({name for name, _ in events}) == 8
    for name, data in events:
        assert payload_errors(built_in()[name].payload, data) == [], name


def test_what_was_pushed_can_be_fetched_without_being_in_the_inbox(service, trial, alice, client, user_token, engine):
    create_users(engine, ["alice"], device=True, now=utc_now())
    pushed = service.send(channels=["push"], data={"order": 7}).json["id"]
    assert alice.get(f"/v1/notifications/{pushed}/content").status_code == 404
    expand_all(engine, UUID(pushed), utc_now())
    assert alice.get(f"/v1/inbox/{pushed}").status_code == 404
    found = alice.get(f"/v1/notifications/{pushed}/content")
    assert (found.status_code, found.json["data"]) == (200, {"order": 7})
    bob = Caller(client, user_token("bob"))
    assert bob.get(f"/v1/notifications/{pushed}/content").status_code == 404
    # Those of a test key are for the lab.
    tried = trial.send(channels=["push"]).json["id"]
    expand_all(engine, UUID(tried), utc_now())
    assert alice.get(f"/v1/notifications/{tried}/content").status_code == 404
    service.delete(f"/v1/notifications/{pushed}")
    assert alice.get(f"/v1/notifications/{pushed}/content").status_code == 404


def test_a_service_has_ids_of_its_own(engine, people, socket, alice, bob, other_alice):
    def known(own, reference=None, user="alice"):
        data = {"notification_id": own}
        return notify(engine, user, data=data, reference=str(own) if reference is None else reference)[0]

    mine = [known("n-7"), known(8), known(str(uuid4())), known("last")]
    known("n-7", user="bob")
    named = {"ok": False, "error": {"code": "not_found", "message": "there is no such notification"}}
    # What only looks like one: the data is the service's, and need not mean the notification itself.
    known("other", reference="order 17")
    assert socket("notification:read", {"id": "other"}) == socket("notification:read", {"id": "order 17"}) == named
    assert socket("notification:read", {"notification_id": "n-7"})["count"] == 1
    assert socket("notification:read", {"ids": [8, "nobody's"]})["count"] == 1
    third = alice.get(f"/v1/inbox/{mine[2]}").json["data"]["notification_id"]
    assert alice.post(f"/v1/inbox/{third}/read", None).json["id"] == mine[2]
    assert [data["own_ids"] for name, data in heard(engine) if name == "notification:read"] == [["n-7"], [8], [third]]
    assert alice.get("/v1/inbox/8").json["id"] == mine[1]
    assert other_alice.get("/v1/inbox/8").status_code == 404
    assert bob.get("/v1/inbox/8").status_code == 404
    assert alice.delete("/v1/inbox/last").json == alice.delete("/v1/inbox/last").json == {"deleted": True}
    assert socket("notification:count", user="bob")["counts"]["unread"] == 1
    for wrong in ("a%00b", "%ED%A0%80"):
        assert alice.post(f"/v1/inbox/{wrong}/read", None).status_code == 404


def test_a_service_changes_the_inbox_of_a_user(service, trial, engine, people, alice, bells):
    known = {"data": {"notification_id": 8}, "reference": "8"}
    [a], [b, c] = notify(engine, "alice", "bob", **known), notify(engine, n=2)
    bells.clear()
    read = service.post("/v1/users/alice/inbox/8/read", None)
    assert (read.status_code, read.json["id"], read.json["read"]) == (200, a, True)
    assert bells == [("publish", [])]
    # Again, which nobody hears of.
    assert service.post(f"/v1/users/alice/inbox/{a}/read", None).json["read"] is True
    assert service.delete(f"/v1/users/alice/inbox/{b}").json == {"deleted": True}
    assert service.post("/v1/users/alice/inbox/read-all", None).json == {
        "count": 1,
        "more": False,
        "counts": {"unread": 0, "unseen": 0, "total": 2},
    }
    assert service.post("/v1/users/nobody/inbox/read-all", None).json["count"] == 0
    for user, name in (("bob", c), ("alice", "nothing"), ("nobody", "8"), ("alice", str(uuid4()))):
        assert service.post(f"/v1/users/{user}/inbox/{name}/read", None).status_code == 404
        assert service.delete(f"/v1/users/{user}/inbox/{name}").status_code == 404
    names = ["notification:read", "notification:count", "notification:deleted", "notification:count"]
    assert [name for name, _ in heard(engine)] == [*names, "notification:read_all", "notification:count"]
    assert alice.get("/v1/inbox/counts").json["unread"] == 0
    for refused in (trial.post("/v1/users/alice/inbox/read-all", None), trial.delete("/v1/users/alice/inbox/8")):
        assert refused.status_code == 403
