"""Looking up and taking back."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from actions.installation import utc_now
from models.deliveries.claim import claim
from models.deliveries.lifecycle import Failure, State, Transition
from models.deliveries.record import record
from models.notifications import search
from models.retry import RetryPolicy
from models.sql.engine import write
from tests.factories import create_users, expand_all
from tests.web.callers import Caller

# The same in every process that collects the tests.
NOBODYS = "76ef5551-ae9e-4ff9-a6e0-2cf92db98174"

POLICY = RetryPolicy(base=10, cap=100, max_attempts=3)
SECRETS = ("alice@example.test", "alice-phone")


@pytest.fixture
def sent(service, engine):
    """A notification to alice on all of her channels, expanded."""
    create_users(engine, ["alice"], email=True, device=True, now=utc_now())
    notification = service.send(reference="order 1").json["id"]
    expand_all(engine, UUID(notification), utc_now())
    return notification


def fail(engine, channel: str, transition: Transition) -> None:
    now = utc_now()
    with write(engine) as connection:
        batch = claim(connection, channel, POLICY, 10, 60, now)
        record(connection, batch.lease, [(m.delivery_id, transition) for m in batch.messages], now)


def test_a_notification_counts_its_deliveries(service, engine, sent):
    seen = service.get(f"/v1/notifications/{sent}").json
    assert (seen["state"], seen["recipients"]) == ("expanded", 1)
    assert seen["deliveries"] == {"email": {"pending": 1}, "in_app": {"sent": 1}, "push": {"pending": 1}}
    fail(engine, "email", Transition(State.DEAD, 1, failure=Failure.BAD_REQUEST, reason="550 no"))
    assert service.get(f"/v1/notifications/{sent}").json["deliveries"]["email"] == {"dead": 1}


def test_a_delivery_tells_its_failed_attempts_and_never_an_address(service, engine, sent):
    later = utc_now() + timedelta(minutes=1)
    fail(engine, "push", Transition(State.PENDING, 1, later, Failure.PROVIDER_DOWN, "503 unavailable"))
    fail(engine, "email", Transition(State.SENT, 1, provider_id="<id@carillon>"))
    answer = service.get(f"/v1/notifications/{sent}/deliveries")
    by_channel = {delivery["channel"]: delivery for delivery in answer.json["data"]}
    push, email, in_app = (by_channel[c] for c in ("push", "email", "in_app"))
    assert (push["user"], push["state"], push["attempts"], push["action"]) == ("alice", "pending", 1, "show")
    assert [(a["number"], a["failure"], a["reason"]) for a in push["failed_attempts"]] == [
        (1, "provider_down", "503 unavailable")
    ]
    assert push["next_attempt_at"] is not None
    assert (email["state"], email["provider_id"], email["next_attempt_at"]) == ("sent", "<id@carillon>", None)
    assert email["sent_at"] is not None
    assert in_app["seq"] == 1
    assert not any(secret in answer.text for secret in SECRETS)


def test_deliveries_are_paged_and_filtered(service, engine):
    notification = service.send(audience={"users": [f"u{n}" for n in range(25)]}, channels=["in_app", "email"]).json[
        "id"
    ]
    expand_all(engine, UUID(notification), utc_now())
    where = f"/v1/notifications/{notification}/deliveries"
    seen, after = [], ""
    while True:
        page = service.get(f"{where}?limit=20{after}").json
        seen += [delivery["id"] for delivery in page["data"]]
        if not page["page"]["has_more"]:
            break
        after = f"&after={page['page']['next']}"
    assert page["page"]["next"] is None
    assert len(seen) == len(set(seen)) == 50
    assert seen == sorted(seen)
    assert len(service.get(f"{where}?channel=in_app").json["data"]) == 25
    assert len(service.get(f"{where}?state=suppressed&channel=email").json["data"]) == 25
    assert service.get(f"{where}?state=suppressed&channel=in_app").json["data"] == []


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "after=x", "after=-1", "after=99999999999999999999", "channel=fax",
              "state=lost", "colour=red"]
)  # fmt: skip
def test_a_bad_query_is_named(service, sent, query):
    for path in (f"/v1/notifications/{sent}/deliveries", "/v1/dead-letters"):
        refused = service.get(f"{path}?{query}")
        assert refused.status_code == 422
        assert refused.json["errors"][0]["field"] == query.split("=")[0]


def test_notifications_are_listed_newest_first_and_by_reference(service, trial, stranger):
    ids = [service.send(reference=f"order/{n % 2}").json["id"] for n in range(5)]
    trial.send()
    stranger.send()
    first = service.get("/v1/notifications?limit=3").json
    assert [n["id"] for n in first["data"]] == ids[:1:-1]
    rest = service.get(f"/v1/notifications?limit=3&after={first['page']['next']}").json
    assert [n["id"] for n in rest["data"]] == [ids[1], ids[0]]
    assert rest["page"] == {"next": None, "has_more": False}
    chosen = service.get("/v1/notifications?reference=order%2F1").json["data"]
    assert [n["id"] for n in chosen] == [ids[3], ids[1]]
    assert service.get("/v1/notifications?after=x").status_code == 422


def test_what_is_not_ours_does_not_exist(service, trial, stranger, sent):
    for caller in (trial, stranger):
        for path in (f"/v1/notifications/{sent}", f"/v1/notifications/{sent}/deliveries"):
            assert caller.get(path).status_code == 404
        assert caller.delete(f"/v1/notifications/{sent}").status_code == 404
    assert service.get(f"/v1/notifications/{sent}").json["state"] == "expanded"


@pytest.mark.parametrize("bad", [NOBODYS, "x", "%00", "0", "{}", "urn:uuid:" + NOBODYS, NOBODYS + "%0A"])
def test_an_id_that_names_nothing_is_404(service, bad):
    for method, path in (("GET", ""), ("GET", "/deliveries"), ("DELETE", "")):
        assert service.ask(method, f"/v1/notifications/{bad}{path}").status_code == 404


def test_a_recall_begins_once_and_says_how_far_it_is(service, engine, sent, bells):
    bells.clear()
    first = service.delete(f"/v1/notifications/{sent}")
    assert (first.status_code, first.json) == (202, {"id": sent, "status": "recalling"})
    second = service.delete(f"/v1/notifications/{sent}")
    assert (second.status_code, second.json["status"]) == (200, "recalling")
    assert bells == [("expand", [sent])] * 2
    expand_all(engine, UUID(sent), utc_now())
    third = service.delete(f"/v1/notifications/{sent}")
    assert (third.status_code, third.json["status"]) == (200, "recalled")
    assert len(bells) == 2
    seen = service.get(f"/v1/notifications/{sent}").json
    assert seen["deliveries"] == {"email": {"cancelled": 1}, "in_app": {"sent": 1}, "push": {"cancelled": 1}}
    actions = {(d["channel"], d["action"]) for d in service.get(f"/v1/notifications/{sent}/deliveries").json["data"]}
    assert ("in_app", "withdraw") in actions


def test_a_recall_before_the_audience_is_written(service, engine):
    notification = service.send().json["id"]
    assert service.delete(f"/v1/notifications/{notification}").status_code == 202
    expand_all(engine, UUID(notification), utc_now())
    assert service.get(f"/v1/notifications/{notification}").json["deliveries"] == {}


def test_users_cannot_look_anything_up(alice: Caller, sent):
    assert alice.get(f"/v1/notifications/{sent}").status_code == 403
    assert alice.delete(f"/v1/notifications/{sent}").status_code == 403


@pytest.fixture
def mixed(service, engine):
    """Some notifications that differ, by a name each."""
    create_users(engine, ["alice", "bob"])
    sent = {
        "plain": {"title": "Your order was shipped"},
        "loud": {"title": "ORDER 100% late", "priority": "critical", "type": "orders:late"},
        "news": {"title": "Weekly news", "category": "news", "audience": {"users": ["bob"]}},
        "mine": {"title": "An under_score", "reference": "order 1"},
    }
    ids = {name: service.send(**other).json["id"] for name, other in sent.items()}
    for one in ids.values():
        expand_all(engine, UUID(one), utc_now())
    service.delete(f"/v1/notifications/{ids['plain']}")
    return ids


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("q=order", ["loud", "plain"]),
        ("q=100%25", ["loud"]),
        ("q=%25", ["loud"]),
        ("q=r_s", ["mine"]),
        ("q={plain}", ["plain"]),
        ("q={PLAIN}", ["plain"]),
        ("state=recalling", ["plain"]),
        ("state=expanded", ["mine", "news", "loud"]),
        ("type=orders:late", ["loud"]),
        ("category=news", ["news"]),
        ("priority=critical", ["loud"]),
        ("user=bob", ["news"]),
        ("user=alice", ["mine", "loud", "plain"]),
        ("user=nobody", []),
        ("user=alice&q=order&priority=normal", ["plain"]),
        ("reference=order 1&q=under", ["mine"]),
        ("reference=order 1&q=news", []),
        ("since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00%2B02:00", ["mine", "news", "loud", "plain"]),
        ("since=2100-01-01T00:00:00Z", []),
        ("until=2020-01-01T00:00:00Z", []),
    ],
)
def test_a_search_finds_what_meets_every_filter(service, stranger, mixed, query, names):
    query = query.format(plain=mixed["plain"], PLAIN=mixed["plain"].upper())
    found = service.get(f"/v1/notifications?{query}")
    assert [n["id"] for n in found.json["data"]] == [mixed[name] for name in names]
    assert found.json["page"] == {"next": None, "has_more": False}
    assert stranger.get(f"/v1/notifications?{query}").json["data"] == []


def test_a_moment_divides_what_was_accepted_before_it_from_what_came_later(service, mixed):
    moment = service.get(f"/v1/notifications/{mixed['news']}").json["created_at"]
    since = [n["id"] for n in service.get(f"/v1/notifications?since={moment}").json["data"]]
    until = [n["id"] for n in service.get(f"/v1/notifications?until={moment}").json["data"]]
    assert since + until == [mixed[name] for name in ("mine", "news", "loud", "plain")]
    assert mixed["mine"] in since
    assert mixed["plain"] in until


@pytest.mark.parametrize("who", ["", "&user=alice"])
def test_a_search_that_finds_little_reads_little_at_once_and_goes_on(service, engine, monkeypatch, who):
    ids = [service.send(title="needle" if n in (0, 7) else "straw").json["id"] for n in range(10)]
    for one in ids:
        expand_all(engine, UUID(one), utc_now())
    monkeypatch.setattr(search, "SCAN", 4)
    pages, after = [], ""
    while True:
        page = service.get(f"/v1/notifications?q=needle{who}{after}").json
        pages.append([ids.index(n["id"]) for n in page["data"]])
        if not page["page"]["has_more"]:
            break
        after = f"&after={page['page']['next']}"
    assert pages == [[7], [], [0]]


@pytest.mark.parametrize(
    "query", ["q=", "q=%00", "state=lost", "priority=0", "user=", "since=yesterday", "since=2026-01-01T00:00:00"]
)
def test_a_search_for_nonsense_is_refused(service, query):
    refused = service.get(f"/v1/notifications?{query}")
    assert refused.status_code == 422
    assert refused.json["errors"][0]["field"] == query.split("=")[0]
