"""The same request through every door is the same thing: row, hash, counters, bell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import insert, select, text

import carillon.problems
from actions.take_in import take_in
from carillon.client import Client
from carillon.compat.hub import NotificationHandler
from carillon.outbox import Outbox
from models.alerts.tables import alerts
from models.events.tables import events
from models.notifications.tables import notifications
from models.outbox.tables import carillon_outbox
from models.rooms.tables import rooms
from models.sql.engine import read, write
from tests.factories import create_users
from tests.raw_path import WSGITransport
from tests.web.callers import Caller, fields
from web.app import create_app

REQUEST: dict[str, Any] = {
    "audience": {"users": [{"id": "alice", "locale": "de"}, {"id": "bob"}]},
    "title": "Hello",
    "message": "World",
    "data": {"order": 7, "deep": {"a": [1, None, "é"]}},
    "severity": "critical",
    "priority": "high",
    "category": "orders",
    "type": "order:paid",
    "channels": ["in_app", "email"],
    "expires_in": 3600,
    "collapse_key": "order-7",
    "reference": "A-7",
    "url": "https://shop.example/7",
}
ALERT: dict[str, Any] = {"title": "Disk", "message": "full", "severity": "critical", "data": {"host": "db-1"}}
EVENT: dict[str, Any] = {"audience": {"users": ["alice"]}, "type": "stream:data", "data": {"id": "e1", "n": 1}}

# What differs from door to door, or from moment to moment.
_OWN = {"id", "created_at", "expires_at", "due_at", "acknowledged_at"}


@pytest.fixture
def http(app: Any, api_key: str) -> Iterator[Client]:
    """The package's client, at the application of this test."""
    client = Client("http://carillon.example", api_key, transport=WSGITransport(app))
    yield client
    client.close()


@pytest.fixture
def settle(app: Any) -> Callable[[], None]:
    def work() -> None:
        while take_in(app.extensions["carillon"], lambda: 1.0):
            pass

    return work


def stored(engine: Any, table: Any) -> list[dict[str, Any]]:
    with read(engine) as connection:
        found = connection.execute(select(table).order_by(table.c.created_at))
        return [{name: value for name, value in row._mapping.items() if name not in _OWN} for row in found]


def accepted_by_counters(app: Any) -> int:
    counters = app.extensions["carillon"].counters
    with counters._lock:
        return sum(number for (_, name), number in counters._counted.items() if name == "accepted")


def flask_send(app: Any) -> str:
    """The command line, which spells the same request in options."""
    words = [
        *("send", "--json", "--tenant", "acme", "--user", "alice", "--user", "bob", "--title", "Hello"),
        *("--message", "World", "--level", "critical", "--priority", "high", "--category", "orders"),
        *("--type", "order:paid", "--channel", "in_app", "--channel", "email", "--url", "https://shop.example/7"),
        *("--data", json.dumps(REQUEST["data"]), "--key", "cli"),
    ]
    result = app.test_cli_runner().invoke(args=words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(json.loads(result.output)["id"])


def test_a_notification_is_the_same_through_every_door(app, engine, service, http, settle, bells, monkeypatch):
    # Counted and not flushed meanwhile.
    monkeypatch.setattr(app.extensions["carillon"].counters, "_start", lambda: None)
    by_request = service.post("/v1/notifications", REQUEST, Idempotency_Key="http").json["id"]
    in_bulk = service.post("/v1/notifications/bulk", {"items": [REQUEST | {"idempotency_key": "bulk"}]})
    by_client = http.send(**REQUEST, idempotency_key="client").id
    outbox = Outbox("acme")
    with engine.begin() as connection:
        by_outbox = outbox.send(connection, **REQUEST, idempotency_key="outbox")
    with engine.begin() as connection:
        connection.execute(
            insert(carillon_outbox).values(tenant_id="acme", kind="notification", body=REQUEST, idempotency_key="plain")
        )
    settle()
    rows = stored(engine, notifications)
    assert sorted(row.pop("idempotency_key") for row in rows) == ["bulk", "client", "http", "outbox", "plain"]
    assert all(row == rows[0] for row in rows)
    assert rows[0]["level"] == "critical"
    with read(engine) as connection:
        lives = {
            round((row.expires_at - row.created_at).total_seconds())
            for row in connection.execute(select(notifications.c.created_at, notifications.c.expires_at))
        }
        ids = {str(i) for i in connection.execute(select(notifications.c.id)).scalars()}
    assert lives == {3600}
    assert {by_request, in_bulk.json["data"][0]["id"], str(by_client), str(by_outbox)} < ids
    # One bell for each, and counted each once.
    assert sorted(bells) == sorted(("expand", [i]) for i in ids)
    assert accepted_by_counters(app) == 5


def test_the_command_line_and_the_compatible_functions_make_such_rows_too(app, engine, service, http, bells):
    plain = {name: REQUEST[name] for name in ("title", "message", "data", "priority", "category", "type", "channels")}
    plain |= {"audience": {"users": ["alice", "bob"]}, "level": "critical", "url": REQUEST["url"]}
    service.post("/v1/notifications", plain)
    flask_send(app)
    carillon.configure(client=http, tenant="acme")
    fields = {name: plain[name] for name in ("data", "level", "priority", "category", "type", "channels", "url")}
    NotificationHandler.create_and_emit("acme", "alice", "Hello", "World", **fields)
    by_request, by_command, by_function = stored(engine, notifications)
    by_command.pop("idempotency_key"), by_request.pop("idempotency_key"), by_function.pop("idempotency_key")
    assert by_command == by_request
    assert by_function["audience"] == {"users": [{"id": "alice"}]}
    changed = {"audience", "body_sha256"}
    assert {n: v for n, v in by_function.items() if n not in changed} == {
        n: v for n, v in by_request.items() if n not in changed
    }
    assert [task for task, _ in bells] == ["expand"] * 3


@pytest.mark.parametrize("doors", [("http", "outbox"), ("outbox", "client"), ("client", "http"), ("http", "plain")])
def test_one_key_through_two_doors_is_one_notification(app, engine, service, http, settle, doors):
    def through(door: str, request: dict[str, Any]) -> None:
        if door == "http":
            service.post("/v1/notifications", request, Idempotency_Key="k")
        elif door == "client":
            http.send(**request, idempotency_key="k")
        elif door == "outbox":
            with engine.begin() as connection:
                Outbox("acme").send(connection, **request, idempotency_key="k")
            settle()
        else:
            body = json.dumps(request)
            with engine.begin() as connection:
                connection.execute(
                    text(
                        "INSERT INTO carillon_outbox (tenant_id, kind, body, idempotency_key)"
                        " VALUES ('acme', 'notification', :body, 'k')"
                    ),
                    {"body": body},
                )
            settle()

    for door in doors:
        through(door, REQUEST)
    assert len(stored(engine, notifications)) == 1
    assert stored(engine, carillon_outbox) == []


def test_alerts_and_events_are_the_same_too(app, engine, service, http, settle, bells):
    create_users(engine, ["alice"])
    outbox = Outbox("acme")
    service.post("/v1/alerts", ALERT)
    http.raise_alert(**ALERT)
    with engine.begin() as connection:
        outbox.raise_alert(connection, **ALERT)
    service.post("/v1/events", EVENT)
    http.publish_event(**EVENT)
    with engine.begin() as connection:
        outbox.publish_event(connection, **EVENT)
    settle()
    rows = stored(engine, alerts)
    for row in rows:
        row.pop("idempotency_key")
    assert len(rows) == 3
    assert all(row == rows[0] for row in rows)
    with read(engine) as connection:
        published = connection.execute(
            select(events.c.type, events.c.data)
            .join(rooms, rooms.c.id == events.c.room_id)
            .where(rooms.c.kind == "user", rooms.c.key == "alice")
        ).all()
    assert len(published) == 3
    said = [(row.type, {n: v for n, v in row.data.items() if n != "created_at"}) for row in published]
    assert said == [("stream:data", {"id": "e1", "n": 1})] * 3
    assert {task for task, _ in bells} == {"publish"}


def test_every_door_refuses_the_same_and_says_the_same(app, engine, service, http, settle):
    bad = REQUEST | {"channels": ["smoke"]}
    with write(engine) as connection:
        connection.execute(insert(carillon_outbox).values(tenant_id="acme", kind="notification", body=bad))
    settle()
    answer = service.post("/v1/notifications", bad)
    [row] = service.get("/v1/outbox/rejected").json["data"]
    with pytest.raises(carillon.problems.Invalid) as refused:
        http.send(**bad)
    assert answer.status_code == row["problem"]["status"] == refused.value.status == 422
    assert answer.json["errors"] == row["problem"]["errors"]
    assert [error.model_dump() for error in refused.value.errors] == answer.json["errors"]
    assert row["body"] == bad
    assert stored(engine, notifications) == []


MAILBOX = {"users": [{"id": "alice", "email": "x" * 65 + "@shop.example"}]}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": "Don\x92t panic\u2028now"}, "title"),
        ({"title": "a\x0bb"}, "title"),
        ({"message": "\x9b31m"}, "message"),
        ({"audience": MAILBOX}, "audience.users.0.email"),
        ({"audience": {"users": [{"id": "alice", "email": "jörg@shop.example"}]}}, "audience.users.0.email"),
        ({"audience": {"users": [{"id": "alice", "email": "a@[192.0.2.1]"}]}}, "audience.users.0.email"),
        ({"audience": {"users": [{"id": "alice", "email": '"a b"@shop.example'}]}}, "audience.users.0.email"),
        ({"audience": {"users": [{"id": "alice", "email": f"a@{'x' * 64}.example"}]}}, "audience.users.0.email"),
        ({"action_label": "x" * 41}, "action_label"),
        ({"action_label": "a\u2029b"}, "action_label"),
        ({"action_label": "Open", "url": None}, "action_label"),
        ({"data": {"a": "x" * 3100}}, "data"),
    ],
)
def test_what_no_channel_could_send_is_refused_at_every_door(app, engine, service, http, settle, change, field):
    bad = REQUEST | change
    with write(engine) as connection:
        connection.execute(insert(carillon_outbox).values(tenant_id="acme", kind="notification", body=bad))
    settle()
    [row] = service.get("/v1/outbox/rejected").json["data"]
    answer = service.post("/v1/notifications", bad)
    in_bulk = service.post("/v1/notifications/bulk", {"items": [bad]}).json["data"][0]
    with pytest.raises((carillon.problems.ValidationError, carillon.problems.Invalid)) as by_client:
        http.send(**bad)
    assert answer.status_code == in_bulk["status"] == row["problem"]["status"] == 422
    errors = answer.json["errors"]
    assert [error["field"] for error in errors] == [field]
    assert errors == in_bulk["problem"]["errors"] == row["problem"]["errors"]
    assert [error.model_dump() for error in by_client.value.errors] == errors
    assert stored(engine, notifications) == []


def test_what_no_channel_could_send_is_refused_where_requests_have_another_form(app, engine, service, run_words):
    """The command line, the paths of earlier systems, and where mailboxes, tenants and keys are made."""
    title = "Don\x92t panic\u2028now"
    note = service.post("/api/notifications", {"user_id": "alice", "message": "World", "title": title})
    assert fields(note) == ["title"]
    assert fields(service.post("/api/notifications", {"user_id": "alice", "message": "\x85"})) == ["message"]
    assert fields(service.post("/v1/alerts", ALERT | {"title": title})) == ["title"]
    [mailbox] = MAILBOX["users"]
    for email in (mailbox["email"], "jörg@shop.example"):
        assert fields(service.put("/v1/users/alice", {"email": email})) == ["email"]
    send = ("send", "--tenant", "acme", "--user", "alice", "--message", "World", "--title")
    assert "title must be one line" in run_words(*send, title)
    assert "idempotency_key" in run_words(*send, "Hello", "--key", "two words")
    assert "one line" in run_words("tenants", "create", "other", "--name", title)
    assert "200" in run_words("tenants", "create", "other", "--name", "x" * 201)
    assert "one line" in run_words("keys", "create", "--tenant", "acme", "--name", title)
    assert stored(engine, notifications) == []


@pytest.fixture
def run_words(app):
    """Run a command that fails, and return what it says."""

    def run(*words: str) -> str:
        result = app.test_cli_runner().invoke(args=list(words))
        assert result.exit_code in (1, 2)
        assert "Traceback" not in result.output
        return result.output

    return run


def test_a_mail_server_that_takes_utf8_can_be_sent_other_addresses(settings, recorder, engine, api_key):
    app = create_app(settings.model_copy(update={"smtp_utf8": True}), recorder)
    service = Caller(app.test_client(), api_key)
    try:
        assert service.put("/v1/users/alice", {"email": "jörg@shop.example"}).json["email"] == "jörg@shop.example"
        assert service.send(audience={"users": [{"id": "bob", "email": "bäb@shop.example"}]}).status_code == 202
        # 64 octets, not letters.
        assert fields(service.put("/v1/users/alice", {"email": "ö" * 33 + "@shop.example"})) == ["email"]
    finally:
        app.extensions["carillon"].counters.close()
        app.extensions["carillon"].engine.dispose()


def test_the_label_of_the_button_reaches_every_client_in_data(app, engine, service, http, settle):
    request = REQUEST | {"action_label": "View order"}
    service.post("/v1/notifications", request)
    http.send(**request)
    with engine.begin() as connection:
        Outbox("acme").send(connection, **request)
    settle()
    rows = stored(engine, notifications)
    assert [row["data"] for row in rows] == [REQUEST["data"] | {"action_label": "View order"}] * 3


@pytest.mark.parametrize(
    ("audience", "named"), [({"users": ["alice", "nobody"]}, "nobody"), ({"topic": "nothing"}, "nothing")]
)
def test_every_door_refuses_who_is_not_known_if_asked(app, engine, service, http, tenant, settle, audience, named):
    create_users(engine, ["alice"])
    body = {"title": "T", "message": "M", "audience": audience, "require_known": True}
    single = service.post("/v1/notifications", body)
    assert single.status_code == 422
    bulk = service.post("/v1/notifications/bulk", {"items": [body]}).json["data"][0]["problem"]
    with pytest.raises(carillon.problems.Invalid) as refused:
        http.send(**body)
    with write(engine) as connection:
        Outbox(tenant).send(connection, **body)
    settle()
    rejected = service.get("/v1/outbox/rejected").json["data"][0]["problem"]
    for errors in (single.json["errors"], bulk["errors"], rejected["errors"], [dict(refused.value.errors[0])]):
        assert errors[0]["code"] == "not_known"
        assert named in errors[0]["message"]
        assert "alice" not in errors[0]["message"]
    words = [f"--{'user' if 'users' in audience else 'topic'}", named]
    command = ["send", "--tenant", tenant, *words, "--title", "T", "--message", "M", "--require-known"]
    result = app.test_cli_runner().invoke(args=command)
    assert result.exit_code == 1
    assert named in result.output
    assert stored(engine, notifications) == []
    known = body | {"audience": {"users": ["alice"]}}
    accepted = service.post("/v1/notifications", known, Idempotency_Key="k")
    assert accepted.status_code == 202
    # A repeated request gets its first answer, whatever became of the user.
    service.delete("/v1/users/alice")
    assert service.post("/v1/notifications", known, Idempotency_Key="k").json["id"] == accepted.json["id"]
