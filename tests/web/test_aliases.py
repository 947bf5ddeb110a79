"""The paths of the seed systems: the same operations, in the shapes that their programs read."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from actions.installation import utc_now
from carillon.payload import MAX_DATA_BYTES
from tests.factories import accept_one, create_settings, create_tenant, create_users, expand_all
from tests.web import contract
from tests.web.callers import Caller, fields
from web.app import create_app


class Undeprecated(Caller):
    """A caller who is never told to go elsewhere: these paths stay."""

    def ask(self, method, path, document=None, **headers):
        answer = Caller.ask(self, method, path, document, **headers)
        assert "Deprecation" not in answer.headers
        return answer


@pytest.fixture
def alice(client, user_token, engine, tenant) -> Undeprecated:
    create_users(engine, ["alice", "bob"], device=True, email=True, now=utc_now())
    return Undeprecated(client, user_token("alice"))


@pytest.fixture
def service(client, api_key) -> Undeprecated:
    return Undeprecated(client, api_key)


def notify(engine, *users: str, n: int = 1) -> list[str]:
    now = utc_now()
    ids = []
    for _ in range(n):
        audience = {"users": [{"id": u} for u in users or ("alice",)]}
        ids.append(accept_one(engine, now, audience=audience, expires_at=now + timedelta(days=1)))
        expand_all(engine, ids[-1], now)
    return [str(i) for i in ids]


def test_a_list_is_what_a_bell_reads(alice, engine):
    a, b = notify(engine, n=2)
    listed = alice.get("/api/notifications").json
    assert [n["id"] for n in listed["notifications"]] == [b, a]
    first = listed["notifications"][0]
    assert (first["title"], first["message"], first["read"]) == ("Hello", "World", False)
    assert first["timestamp"] == first["created_at"]
    assert first == alice.get(f"/v1/inbox/{b}").json == alice.get(f"/api/notifications/{b}").json
    assert listed["unread_count"] == 2
    alice.put(f"/api/notifications/{b}/read", None)
    unread = alice.get("/api/notifications?unread_only=true&page=1").json
    assert ([n["id"] for n in unread["notifications"]], unread["unread_count"]) == ([a], 1)
    paged = alice.get("/api/notifications?limit=1").json
    assert paged["page"] == {"next": b, "has_more": True}
    assert [n["id"] for n in alice.get(f"/api/notifications?limit=1&after={b}").json["notifications"]] == [a]
    assert alice.get("/api/notifications?after=x").status_code == 422


def test_read_delete_and_stats(alice, engine):
    a, b, c = notify(engine, n=3)
    assert alice.put(f"/api/notifications/{a}/read", None).json["read"] is True
    assert alice.get("/api/notifications/stats").json == {"unread_count": 2, "unread": 2, "unseen": 2, "total": 3}
    assert alice.delete(f"/api/notifications/{b}").json == {"deleted": True}
    # As their programs send it: without a body, and without a word on what it would be.
    assert alice.post("/api/notifications/read-all", None).json == {"count": 1, "unread_count": 0}
    assert alice.get("/api/notifications/stats").json == {"unread_count": 0, "unread": 0, "unseen": 0, "total": 2}
    assert alice.get(f"/v1/inbox/{c}").json["status"] == "read"


def test_what_is_not_theirs_is_not_there(alice, engine, client, user_token, settings):
    [n] = notify(engine, "bob")
    other = Undeprecated(client, user_token("bob", tenant=create_tenant(engine, "umbra")))
    for stranger in (alice, other):
        for name in (n, str(uuid4()), "x"):
            assert stranger.get(f"/api/notifications/{name}").status_code == 404
            assert stranger.put(f"/api/notifications/{name}/read", None).status_code == 404
            assert stranger.delete(f"/api/notifications/{name}").status_code == 404


def test_a_service_sends_to_anybody(service, alice, engine, bells):
    sent = service.post(
        "/api/notifications",
        {"user_id": 456, "title": "Published", "message": "It is out", "type": "publish_success", "data": {"post": 1}},
    )
    assert sent.status_code == 202
    assert sent.json["id"] == sent.json["notification_id"]
    assert bells == [("expand", [sent.json["id"]])]
    asked = service.get(sent.headers["Location"]).json
    assert (asked["title"], asked["type"], asked["level"], asked["data"]) == (
        "Published",
        "publish_success",
        "info",
        {"post": 1},
    )
    expand_all(engine, UUID(sent.json["id"]), utc_now())
    deliveries = service.get(f"/v1/notifications/{sent.json['id']}/deliveries").json["data"]
    assert [d["user"] for d in deliveries] == ["456"]


def test_a_type_that_is_a_level_is_the_level(service):
    for given, level, type_ in [
        ({"type": "success"}, "success", "notification"),
        ({"type": "invoice", "level": "error"}, "error", "invoice"),
        ({}, "info", "notification"),
    ]:
        sent = service.post("/api/notifications", {"user_id": "alice", "message": "m"} | given)
        asked = service.get(sent.headers["Location"]).json
        assert (asked["level"], asked["type"]) == (level, type_)


def test_a_body_as_the_four_namespaces_send_it(service):
    body = {"user_id": 7, "title": "Shipped", "message": "m", "notification_type": "order"}
    for action_url, url in [("/orders/1", None), ("https://shop.test/1", "https://shop.test/1"), (None, None)]:
        sent = service.post("/api/notifications", body | {"action_url": action_url})
        asked = service.get(sent.headers["Location"]).json
        data = {"action_url": action_url} if action_url else {}
        assert (asked["type"], asked["url"], asked["data"]) == ("order", url, data)
    for wrong in ("https://", "javascript:alert(1)"):
        assert service.post("/api/notifications", body | {"action_url": wrong}).status_code == 422
    full = {"a": "x" * (MAX_DATA_BYTES - 20)}
    assert service.post("/api/notifications", body | {"data": full}).status_code == 202
    assert service.post("/api/notifications", body | {"data": full, "action_url": "/orders/1"}).status_code == 422


def test_a_notification_keeps_the_id_that_the_service_gave_it(service, alice, engine):
    for name, own in (("notification_id", "n-7"), ("id", 8)):
        sent = service.post("/api/notifications", {"user_id": "alice", "message": "m", name: own, "level": "medium"})
        expand_all(engine, UUID(sent.json["id"]), utc_now())
        [item, *_] = alice.get("/api/notifications").json["notifications"]
        assert (item["id"], item["notification_id"], item["carillon_id"]) == (own, own, sent.json["id"])
        assert (item["severity"], item["level"]) == ("medium", "warning")
        assert alice.get(f"/api/notifications/{own}").json == item
        assert alice.put(f"/api/notifications/{own}/read", None).json["read"] is True
        assert alice.delete(f"/api/notifications/{own}").json == {"deleted": True}
    refused = service.post("/api/notifications", {"user_id": "alice", "message": "m", "id": ""})
    assert (refused.status_code, fields(refused)[0].startswith("id")) == (422, True)


def test_severities_of_other_scales_are_levels(service):
    scales = {"low": "info", "medium": "warning", "high": "error", "warn": "warning", "Emergency": "critical"}
    for severity, level in scales.items():
        sent = service.post(
            "/api/notifications", {"user_id": "alice", "message": "m", "type": None, "data": None, "level": severity}
        )
        assert service.get(sent.headers["Location"]).json["level"] == level


def test_what_has_no_title_is_called_by_its_first_line(service):
    for message, title in {
        "Your case\thas moved\nIt is open": "Your case has moved",
        "\n\n  late ": "late",
        " \n ": "Notification",
        "x" * 300: "x" * 200,
    }.items():
        sent = service.post("/api/notifications", {"user_id": "alice", "message": message})
        assert service.get(sent.headers["Location"]).json["title"] == title


def test_a_repeated_request_sends_once(service):
    body = {"user_id": "alice", "message": "m"}
    first = service.post("/api/notifications", body, Idempotency_Key="k")
    again = service.post("/api/notifications", body, Idempotency_Key="k")
    assert again.json["id"] == first.json["id"]
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_browser_does_not_send(alice, engine, bells):
    refused = alice.post("/api/notifications", {"user_id": "alice", "message": "m"})
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert bells == []


def test_what_is_wrong_is_named(service):
    good = {"user_id": "alice", "message": "m"}
    for field, value in {
        "user_id": True,
        "message": "",
        "title": "a\nb",
        "type": "a b",
        "level": "loud",
        "data": [],
        "url": "javascript:alert(1)",
        "unknown": 1,
    }.items():
        refused = service.post("/api/notifications", good | {field: value})
        assert refused.status_code == 422, field
        assert fields(refused)[0].startswith(field)


def test_a_test_notification_goes_to_the_screen_only(service, alice, engine):
    sent = service.post("/api/test/notification/alice", {"message": "Test notification", "type": "info"})
    assert sent.status_code == 202
    expand_all(engine, UUID(sent.json["id"]), utc_now())
    [item] = alice.get("/api/notifications").json["notifications"]
    assert (item["message"], item["level"]) == ("Test notification", "info")
    deliveries = service.get(f"/v1/notifications/{sent.json['id']}/deliveries").json["data"]
    assert [d["channel"] for d in deliveries] == ["in_app"]


def test_in_production_there_are_no_test_notifications(service, engine, tmp_path, redis_server):
    url = engine.url.render_as_string(hide_password=False)
    app = create_app(create_settings(tmp_path, DATABASE_URL=url, REDIS_URL=redis_server, CARILLON_ENV="production"))
    app.test_client_class = contract.ContractClient
    outside = Undeprecated(app.test_client(), service.token)
    refused = outside.post("/api/test/notification/alice", {"message": "m", "type": "info"})
    assert (refused.status_code, refused.json["code"]) == (404, "not_found")
