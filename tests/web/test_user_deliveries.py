"""What became of each notification to one user."""

from __future__ import annotations

from uuid import UUID

import pytest

from actions.installation import utc_now
from tests.factories import create_users, expand_all
from tests.web.test_dead_letters import Failure, kill


@pytest.fixture
def sent(service, trial, engine) -> list[str]:
    """Three notifications to alice and bob, newest first, and a test one. The mails are dead."""
    create_users(engine, ["alice", "bob", "a/b"], email=True, now=utc_now())
    ids = [service.send(title=f"Number {n}", audience={"users": ["alice", "bob"]}).json["id"] for n in range(3)]
    test = trial.send(audience={"users": ["alice"]}).json["id"]
    for one in (*ids, test):
        expand_all(engine, UUID(one), utc_now())
    kill(engine, "email", Failure.QUOTA)
    return ids[::-1]


def of(caller, query: str = "user=alice") -> list[tuple[str, str, str]]:
    rows = caller.get(f"/v1/deliveries?{query}").json["data"]
    return [(row["notification_id"], row["channel"], row["state"]) for row in rows]


def test_all_deliveries_of_the_user_are_listed_newest_notification_first(service, sent):
    found = of(service)
    assert [id_ for id_, *_ in found] == [id_ for id_ in sent for _ in range(2)]
    assert {(channel, state) for _, channel, state in found} == {("in_app", "sent"), ("email", "dead")}
    rows = service.get("/v1/deliveries?user=alice&channel=email").json["data"]
    assert [row["title"] for row in rows] == ["Number 2", "Number 1", "Number 0"]
    assert {(row["user"], row["failure"], row["reason"], row["attempts"]) for row in rows} == {
        ("alice", "quota", "it is dead", 1)
    }
    assert all(len(row["failed_attempts"]) == 1 for row in rows)
    assert of(service, "user=a/b") == []


def test_pages_cut_a_notification_nowhere(service, sent):
    seen, after = [], ""
    while True:
        page = service.get(f"/v1/deliveries?user=alice&limit=1{after}").json
        seen += [row["id"] for row in page["data"]]
        if not page["page"]["has_more"]:
            break
        after = f"&after={page['page']['next']}"
    assert seen == [row["id"] for row in service.get("/v1/deliveries?user=alice").json["data"]]
    assert len(set(seen)) == 6


@pytest.mark.parametrize("bad", ["x", "1.2", "019abc00-0000-7000-8000-000000000001", f"{'0' * 36}.1", "a.b.c"])
def test_a_position_that_no_page_has_is_refused(service, sent, bad):
    assert service.get(f"/v1/deliveries?user=alice&after={bad}").status_code == 422


def test_test_deliveries_and_those_of_other_tenants_are_apart(service, trial, stranger, sent):
    assert {id_ for id_, *_ in of(trial)}.isdisjoint(sent)
    assert stranger.get("/v1/deliveries?user=alice").status_code == 404
    assert service.get("/v1/deliveries?user=nobody").status_code == 404
    assert service.get("/v1/deliveries").status_code == 422
