"""Quotas at the doors: what a tenant that has used them up is told, and what goes on as before."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import func, select

from models.notifications.tables import notifications
from models.sql.engine import read, write
from models.tenants.quotas import Quota, set_quota
from models.users.queries import known_users
from tests.factories import create_users
from tests.web.callers import BODY


def limit(engine, quota: Quota, number: int) -> None:
    with write(engine) as connection:
        set_quota(connection, "acme", quota, number)


def accepted(engine) -> int:
    with read(engine) as connection:
        return connection.execute(select(func.count()).select_from(notifications)).scalar_one()


def to(*users: str) -> dict[str, object]:
    return BODY | {"audience": {"users": [{"id": user} for user in users]}}


def test_recipients_of_the_day_are_counted_whoever_is_addressed(service, engine, stranger):
    create_users(engine, ["alice", "bob", "carol"])
    # A process may know a quota for some seconds, so it is set before the first request.
    limit(engine, Quota.RECIPIENTS, 10)
    service.put("/v1/topics/news/members", {"users": ["alice", "bob"]})
    assert service.post("/v1/notifications", to("alice")).status_code == 202
    assert service.post("/v1/notifications", BODY | {"audience": {"topic": "news"}}).status_code == 202
    assert service.post("/v1/notifications", BODY | {"audience": {"tenant": True}}).status_code == 202
    # Six are used. Nothing of a bulk request that needs more is accepted.
    refused = service.post("/v1/notifications/bulk", {"items": [to("alice", "bob"), to("carol", "bob", "alice")]})
    assert (refused.status_code, refused.json["code"]) == (429, "quota_exceeded")
    assert int(refused.headers["Retry-After"]) > 3600
    assert accepted(engine) == 3
    event = {"type": "expense:created", "audience": {"users": ["alice", "bob"]}, "data": {}}
    assert [service.post("/v1/events", event).status_code for _ in range(3)] == [202, 202, 429]
    assert stranger.send().status_code == 202


def test_a_replay_uses_nothing(service, engine):
    limit(engine, Quota.RECIPIENTS, 2)
    assert [service.send("a-key").status_code for _ in range(4)] == [202] * 4
    assert [service.send().status_code for _ in range(2)] == [202, 429]


def test_bytes_of_the_day(service, engine):
    limit(engine, Quota.BYTES, 1_000)
    body = BODY | {"message": "x" * 600}
    assert [service.post("/v1/notifications", body).status_code for _ in range(2)] == [202, 429]
    # What has no body is answered.
    assert service.get("/v1/notifications").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("PUT", "/v1/users/USER", {}),
        ("PUT", "/v1/users/USER/devices", {"token": "t"}),
        ("PUT", "/v1/topics/news/members", {"users": ["USER"]}),
        ("POST", "/v1/notifications", to("USER")),
        ("POST", "/v1/events", {"type": "expense:created", "audience": {"users": ["USER"]}, "data": {}}),
    ],
)
def test_no_door_creates_a_user_too_many_and_known_ones_are_served(service, engine, method, path, document):
    create_users(engine, ["alice"])
    limit(engine, Quota.USERS, 1)

    def ask(user: str):
        return service.ask(method, path.replace("USER", user), json.loads(json.dumps(document).replace("USER", user)))

    assert ask("alice").status_code in (200, 202)
    refused = ask("bob")
    assert (refused.status_code, refused.json["code"]) == (409, "quota_reached")
    with read(engine) as connection:
        assert known_users(connection, "acme", ["alice", "bob"]) == {"alice"}


def test_a_bulk_request_is_refused_item_by_item(service, engine):
    create_users(engine, ["alice"])
    limit(engine, Quota.USERS, 1)
    answer = service.post("/v1/notifications/bulk", {"items": [to("bob"), to("alice")]})
    assert [item.get("problem", {}).get("code") for item in answer.json["data"]] == ["quota_reached", None]


def test_an_operator_sets_and_sees_quotas(app, engine, service, operator):
    run = app.test_cli_runner().invoke
    assert "recipients_per_day" in run(args=["tenants", "quota", "acme"]).output
    shown = json.loads(run(args=["tenants", "quota", "acme", "users", "7", "--json"]).output)
    assert shown == {"tenant": "acme", "data": [{"quota": "users", "limit": 7, "used": 0}]}
    assert run(args=["tenants", "quota", "acme", "users", "0"]).exit_code == 2
    assert "there is no tenant" in run(args=["tenants", "quota", "nobody"]).output
    service.send()
    quotas = {one["quota"]: one for one in operator.get("/v1/operator/tenants/acme/quotas").json["data"]}
    assert quotas["users"]["limit"] == 7
    assert set(quotas) == set(Quota)
    [record] = [r for r in operator.get("/v1/audit").json["data"] if r["action"] == "tenant.set_quota"]
    assert record["details"] == {"quota": "users", "number": 7}
