"""POST /v1/events."""

from __future__ import annotations

from datetime import timedelta

import pytest

from actions.installation import utc_now
from config.audiences import SERVICE
from models.events import publishing as outbox
from models.sql.engine import write
from tests.factories import create_token
from tests.web.callers import Caller, fields


def publish(caller: Caller, **other):
    document = {"audience": {"tenant": True}, "type": "stream:data", "data": {"n": 1}} | other
    return caller.post("/v1/events", {name: value for name, value in document.items() if value is not ...})


@pytest.fixture
def waiting(engine):
    """(room, type, data) of what has to be published, taken."""

    def take():
        now = utc_now()
        with write(engine) as connection:
            taken = outbox.take_unpublished(connection, now, now + timedelta(seconds=10), 2000)
        return [(u.event.room, u.event.type, u.event.data) for u in taken]

    return take


def test_an_event_for_everybody(service, waiting, bells):
    answer = publish(service)
    assert (answer.status_code, answer.json) == (202, {"accepted": 1})
    [(room, type_, data)] = waiting()
    assert (room, type_, data["n"]) == ("tenant:acme", "stream:data", 1)
    assert set(data) == {"id", "n", "created_at"}
    assert bells == [("publish", [])]


def test_an_event_for_a_thousand_users_nobody_knew(service, waiting, bells):
    users = [f"u{n}" for n in range(1000)]
    assert publish(service, audience={"users": users}).json == {"accepted": 1000}
    assert {room for room, _, _ in waiting()} == {f"user:{user}" for user in users}
    assert bells == [("publish", [])]
    assert fields(publish(service, audience={"users": [*users, "one more"]})) == ["audience.users"]


def test_a_user_named_twice_hears_it_once(service, waiting):
    assert publish(service, audience={"users": ["alice", "alice"]}).json == {"accepted": 1}
    assert len(waiting()) == 1


def test_each_request_is_an_event_of_its_own(service, waiting):
    publish(service)
    publish(service)
    first, second = waiting()
    assert first[2]["id"] != second[2]["id"]


def test_a_clients_hears_it_by_polling(service, alice):
    cursor = alice.get("/v1/events").json["cursor"]
    publish(service, audience={"users": ["alice"]}, type="sns:post_liked", data={"post_id": 3})
    [event] = alice.get(f"/v1/events?cursor={cursor}").json["data"]
    assert (event["event"], event["payload"]["post_id"], event["payload"]["seq"]) == ("sns:post_liked", 3, 1)


def test_a_burst_waits_for_its_window(service, waiting, bells):
    for value in range(3):
        data = {"pond_id": "p", "field": "oxygen", "value": value}
        assert publish(service, type="stream:pond_update", data=data).status_code == 202
    assert waiting() == []
    assert len(bells) == 3


def test_a_key_of_the_caller_joins_what_the_paths_would_part(service, engine):
    for pond in ("a", "b"):
        data = {"pond_id": pond, "field": "oxygen", "value": 1}
        assert publish(service, type="stream:pond_update", data=data, key="all").status_code == 202
    with write(engine) as connection:
        assert outbox.append_staged(connection, utc_now() + timedelta(seconds=1), 10) == 1


@pytest.mark.parametrize(
    ("other", "code", "field"),
    [
        ({"type": "no:such"}, "unknown_event_type", "type"),
        ({"type": "chat:message"}, "reserved_event_type", "type"),
        ({"type": "sns:post_liked"}, "wrong_audience", "audience"),
        ({"key": "k"}, "no_window", "key"),
        ({"type": "stream:task_update", "data": {"task_id": 1}}, "validation", "data"),
        ({"type": "expense:deleted", "data": {"id": []}}, "validation", "data.id"),
        ({"data": {"a": "x" * 8200}}, "validation", "data"),
        ({"data": {"a": 1e300}}, "validation", "data"),
        ({"data": []}, "validation", "data"),
        ({"data": ...}, "validation", "data"),
        ({"audience": {}}, "validation", "audience"),
        ({"audience": {"tenant": True, "users": ["a"]}}, "validation", "audience"),
        ({"audience": {"tenant": False}}, "validation", "audience.tenant"),
        ({"audience": {"users": []}}, "validation", "audience.users"),
        ({"audience": {"topic": "news"}}, "validation", "audience.topic"),
        ({"type": "no type"}, "validation", "type"),
        ({"unknown": 1}, "validation", "unknown"),
    ],
)
def test_what_is_refused_says_why_and_leaves_no_trace(service, waiting, bells, other, code, field):
    refused = publish(service, **other)
    assert (refused.status_code, refused.json["code"]) == (422, code)
    assert fields(refused) == [field]
    assert (waiting(), bells) == ([], [])


def test_an_unknown_type_is_told_how_to_declare_it(service):
    assert "PUT /v1/event-types/{name}" in publish(service, type="no:such").json["detail"]
    assert service.put("/v1/event-types/no:such", {"title": "Now there is"}).status_code == 200
    assert publish(service, type="no:such").status_code == 202


def test_a_test_key_checks_and_publishes_nothing(trial, waiting, bells):
    assert publish(trial, audience={"users": ["alice"]}).json == {"accepted": 0}
    assert publish(trial, type="stream:task_update").status_code == 422
    assert (waiting(), bells) == ([], [])


def test_only_services_publish(alice, settings, client):
    assert publish(alice).status_code == 403
    billing = Caller(client, create_token(settings, audience=SERVICE, subject="billing"))
    assert publish(billing).status_code == 202


def test_another_tenant_hears_nothing(stranger, service, alice, client, settings):
    cursor = alice.get("/v1/events").json["cursor"]
    publish(stranger)
    publish(stranger, audience={"users": ["alice"]})
    assert alice.get(f"/v1/events?cursor={cursor}").json["data"] == []
