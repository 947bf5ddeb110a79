"""Users, devices, topics."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from sqlalchemy import func, select

from models.db import read
from models.tables import addresses, events, rooms, subscriptions, users
from tests.web.callers import fields

TOKEN = "fcm-token:" + "a" * 140


def number(engine, table) -> int:
    with read(engine) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_user_is_created_updated_and_deleted(service, engine):
    made = service.put("/v1/users/alice", {"email": "alice@example.test", "locale": "de"})
    assert (made.status_code, made.json["email"], made.json["locale"]) == (200, "alice@example.test", "de")
    assert service.put("/v1/users/alice", {}).json["email"] == "alice@example.test"
    assert service.put("/v1/users/alice", {"email": "a@example.test"}).json["email"] == "a@example.test"
    assert service.put("/v1/users/alice", {"email": None}).json["email"] is None
    assert service.get("/v1/users/alice").json["locale"] == "de"
    assert service.delete("/v1/users/alice").json == {"deleted": True}
    assert service.get("/v1/users/alice").status_code == service.delete("/v1/users/alice").status_code == 404
    assert number(engine, users) == number(engine, addresses) == number(engine, events) == 0


@pytest.mark.parametrize(
    "name", ["a/b", "a//b", "auth0|17", "https://idp.test/u/1", "ä ö", "a?b#c", "100%", "..a", "+1"]
)
def test_an_id_may_be_anything_printable(service, name):
    path = "/v1/users/" + quote(name, safe="")
    assert service.put(path, {"locale": "de"}).json["id"] == name
    assert service.get(path).json["id"] == name
    assert service.put(f"{path}/devices", {"token": TOKEN}).status_code == 200
    [device] = service.get(f"{path}/devices").json["data"]
    assert service.delete(f"{path}/devices/{device['id']}").status_code == 200
    assert service.delete(path).status_code == 200


@pytest.mark.parametrize("name", ["a" * 129, "%0A", "%00", "%FF", "%E2%80%AE"])
def test_an_id_that_is_none_is_refused(service, engine, name):
    refused = service.put(f"/v1/users/{name}", {})
    assert (refused.status_code, fields(refused)) == (422, ["user"])
    assert number(engine, users) == 0


@pytest.mark.parametrize(
    ("document", "field"),
    [({"email": "x"}, "email"), ({"locale": 1}, "locale"), ({"phone": "1"}, "phone"), ([], "body"), (None, None)],
)
def test_a_bad_user_is_refused(service, document, field):
    refused = service.put("/v1/users/alice", document)
    assert refused.status_code in (415, 422)
    assert field is None or fields(refused) == [field]


def test_a_device_is_known_by_a_name_and_never_by_its_token(service):
    made = service.put("/v1/users/alice/devices", {"token": TOKEN, "platform": "android"})
    listed = service.get("/v1/users/alice/devices")
    assert listed.json["data"] == [made.json]
    assert (made.json["kind"], made.json["platform"], made.json["disabled_at"]) == ("token", "android", None)
    # Nor by a part of it.
    assert TOKEN[:8] not in made.text + listed.text
    again = service.put("/v1/users/alice/devices", {"token": TOKEN})
    assert again.json["id"] == made.json["id"]
    assert service.put("/v1/users/alice/devices", {"fid": "c" * 22}).json["kind"] == "fid"
    assert len(service.get("/v1/users/alice/devices").json["data"]) == 2
    assert service.delete(f"/v1/users/alice/devices/{made.json['id']}").json == {"deleted": True}
    assert service.delete(f"/v1/users/alice/devices/{made.json['id']}").status_code == 404
    assert len(service.get("/v1/users/alice/devices").json["data"]) == 1


def test_a_device_belongs_to_whoever_used_it_last(service):
    service.put("/v1/users/alice/devices", {"token": TOKEN})
    service.put("/v1/users/bob/devices", {"token": TOKEN})
    assert service.get("/v1/users/alice/devices").json["data"] == []
    assert len(service.get("/v1/users/bob/devices").json["data"]) == 1


def test_a_device_of_nobody_is_not_listed(service):
    assert service.get("/v1/users/nobody/devices").status_code == 404
    assert service.delete("/v1/users/nobody/devices/x").status_code == 404


@pytest.mark.parametrize(
    "document",
    [{}, {"token": TOKEN, "fid": "a"}, {"token": ""}, {"token": "a" * 4097}, {"token": "a b"}, {"token": "ä"},
     {"fid": "a/b"}, {"token": TOKEN, "platform": "pager"}, {"token": None}]
)  # fmt: skip
def test_a_bad_device_is_refused(service, engine, document):
    assert service.put("/v1/users/alice/devices", document).status_code == 422
    assert number(engine, addresses) == 0


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


def test_a_test_key_changes_nobody(trial, service, engine):
    service.put("/v1/users/alice", {"email": "alice@example.test"})
    for method, path, document in [
        ("PUT", "/v1/users/alice", {"email": "thief@example.test"}),
        ("DELETE", "/v1/users/alice", None),
        ("PUT", "/v1/users/alice/devices", {"token": TOKEN}),
        ("DELETE", "/v1/users/alice/devices/x", None),
        ("PUT", "/v1/topics/news/members", {"users": ["alice"]}),
        ("DELETE", "/v1/topics/news/members", {"users": ["alice"]}),
    ]:
        refused = trial.ask(method, path, document)
        assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert trial.get("/v1/users/alice").json["email"] == "alice@example.test"
