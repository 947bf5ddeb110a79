"""Topics: lists of users, some of them open to users themselves."""

from __future__ import annotations

import pytest

from models.rooms.tables import rooms
from models.topics.tables import subscriptions
from tests.web.callers import fields
from tests.web.test_people import number


def test_a_topic_has_members(service, engine):
    added = service.put("/v1/topics/news/members", {"users": ["alice", "bob", "alice"]})
    assert added.json == {"topic": "news", "members": 2}
    assert service.put("/v1/topics/news/members", {"users": ["bob"]}).status_code == 200
    assert number(engine, subscriptions) == number(engine, rooms) - 1 == 2
    removed = service.delete("/v1/topics/news/members", {"users": ["alice", "carol"]})
    assert removed.json == {"topic": "news", "removed": 1}
    assert number(engine, subscriptions) == 1


@pytest.mark.parametrize("document", [{}, {"users": []}, {"users": [1]}, {"users": ["a"] * 1001}, {"users": "a"}])
def test_a_bad_list_of_members_is_refused(service, document):
    for method in ("PUT", "DELETE"):
        assert service.ask(method, "/v1/topics/news/members", document).status_code == 422
    refused = service.put("/v1/topics/no%20name/members", {"users": ["a"]})
    assert (refused.status_code, fields(refused)) == (422, ["topic"])


def test_a_thousand_members_at_once(service):
    assert service.put("/v1/topics/t/members", {"users": [f"u{n}" for n in range(1000)]}).json["members"] == 1000


def test_a_user_subscribes_to_an_open_topic_only(alice, service, engine):
    service.put("/v1/topics/board/members", {"users": ["carol"]})
    for where in ("board", "nowhere"):
        assert alice.put(f"/v1/subscriptions/{where}").status_code == 404
        assert alice.post("/api/fcm/subscribe-topic", {"topic": where}).status_code == 404
    assert number(engine, subscriptions) == 1
    assert service.put("/v1/topics/news", {"open": True}).json == {"topic": "news", "open": True}
    assert alice.put("/v1/subscriptions/news").json == {"topic": "news"}
    assert alice.put("/v1/subscriptions/news").status_code == 200
    assert alice.get("/v1/subscriptions").json["data"] == [{"topic": "news"}]
    assert service.delete("/v1/topics/news/members", {"users": ["alice"]}).json["removed"] == 1


def test_the_same_topic_by_the_names_of_the_four_namespaces(alice, service):
    service.put("/v1/topics/news", {"open": True})
    joined = alice.post("/api/fcm/subscribe-topic", {"topic": "news", "token": "fcm-token"})
    assert joined.json == {"topic": "news", "subscribed": True}
    assert alice.get("/v1/subscriptions").json["data"] == [{"topic": "news"}]
    left = alice.post("/api/fcm/unsubscribe-topic", {"topic": "news"})
    assert left.json == {"topic": "news", "subscribed": False}
    assert alice.get("/v1/subscriptions").json["data"] == []
    assert alice.delete("/v1/subscriptions/news").status_code == 200


def test_a_closed_topic_keeps_those_who_are_on_it(alice, service):
    service.put("/v1/topics/news", {"open": True})
    service.put("/v1/topics/news", {"open": True})
    alice.put("/v1/subscriptions/news")
    assert service.put("/v1/topics/news", {"open": False}).json == {"topic": "news", "open": False}
    assert alice.delete("/v1/subscriptions/news").status_code == 404
    assert alice.get("/v1/subscriptions").json["data"] == [{"topic": "news"}]


def test_a_topic_is_open_in_one_tenant(alice, stranger):
    stranger.put("/v1/topics/news", {"open": True})
    assert alice.put("/v1/subscriptions/news").status_code == 404


def test_a_user_s_topics_are_listed_page_by_page(alice, service):
    for name in "cab":
        service.put(f"/v1/topics/{name}/members", {"users": ["alice", "bob"]})
    first = alice.get("/v1/subscriptions?limit=2").json
    assert [one["topic"] for one in first["data"]] == ["a", "b"]
    rest = alice.get(f"/v1/subscriptions?limit=2&after={first['page']['next']}").json
    assert ([one["topic"] for one in rest["data"]], rest["page"]) == (["c"], {"next": None, "has_more": False})


@pytest.mark.parametrize("document", [{}, {"topic": ""}, {"topic": "a b"}, {"topic": 7}, {"topic": "t" * 129}, []])
def test_a_bad_subscription_is_refused(alice, document):
    for path in ("/api/fcm/subscribe-topic", "/api/fcm/unsubscribe-topic"):
        assert alice.post(path, document).status_code == 422
