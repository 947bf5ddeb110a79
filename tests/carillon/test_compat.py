"""The function names of earlier systems: what each becomes, in the outbox and over HTTP."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine

import carillon
from carillon.compat import four_namespaces as ns
from carillon.compat import hub, simple, transport
from tests.carillon.outbox_table import create_outbox, rows
from tests.carillon.server import ACCEPTED, Server, problem
from tests.carillon.test_client import ALERT

ANSWERS = {
    "/v1/notifications": httpx.Response(202, json=ACCEPTED),
    "/v1/alerts": httpx.Response(201, json=ALERT),
    "/v1/events": httpx.Response(202, json={"accepted": 1}),
}


@pytest.fixture(autouse=True)
def _unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_configuration", transport.Configuration(None, None))


@pytest.fixture
def server() -> Server:
    """A server that takes everything, for which the functions are configured."""
    server = Server(lambda request: ANSWERS[request.url.path])
    carillon.configure(client=server.client(), tenant="acme")
    return server


class Transaction:
    """A service's transaction on a database that has the outbox."""

    def __init__(self, path: Path) -> None:
        self.engine = create_engine(f"sqlite:///{path}")
        create_outbox(self.engine)
        self.connection = sqlite3.connect(path)

    def bodies(self) -> list[tuple[str, dict[str, Any]]]:
        """Commit; the kind and the body of every row."""
        self.connection.commit()
        return [(row["kind"], row["body"]) for row in rows(self.engine)]


@pytest.fixture
def transaction(tmp_path: Path) -> Iterator[Transaction]:
    transaction = Transaction(tmp_path / "service.db")
    with closing(transaction.connection):
        yield transaction
    transaction.engine.dispose()


def say(**connection: Any) -> list[Any]:
    """Every function that sends, once."""
    emitter = hub.EventEmitter
    return [
        hub.NotificationHandler.create_and_emit(
            "acme", 7, "New Task", "M", data={"n": 0}, level="warning", **connection
        ),
        hub.AlertHandler.create_and_emit("acme", "Low Oxygen", "M", severity="critical", data={"n": 1}, **connection),
        emitter.emit_to_user("alice", "stream:data", {"n": 2}, **connection),
        emitter.emit_to_account("acme", "stream:data", {"n": 3}, **connection),
        emitter.emit_to_room("user:a:b", "stream:data", {"n": 4}, **connection),
        emitter.emit_to_room("tenant:acme", "stream:data", {"n": 5}, **connection),
        emitter.broadcast("stream:data", {"n": 6}, **connection),
        ns.broadcast_sns_event("publish_success", 7, {"post_id": 1}, **connection),
        ns.broadcast_order_event("order_updated", 7, {"order_id": 1}, **connection),
        ns.broadcast_notification(7, "order", "Shipped", "M", "/orders/1", **connection),
        ns.carillon_sns_publish_success(7, 123, ["instagram", "twitter"], **connection),
        simple.send_notification(
            7, {"message": "Your\tform\nwas submitted", "type": "success", "form_id": 5}, **connection
        ),
        simple.send_broadcast_notification({"message": "M", "type": "maintenance", "category": "c"}, **connection),
        simple.save_notification(7, {"id": 9, "message": "M", "timestamp": "2026"}, **connection),
    ]


def _one(user: str, **fields: Any) -> dict[str, Any]:
    return {"audience": {"users": [{"id": user}]}, **fields}


def _event(type_: str, data: dict[str, Any], *users: str) -> tuple[str, dict[str, Any]]:
    audience = {"users": list(users)} if users else {"tenant": True}
    return "event", {"audience": audience, "type": type_, "data": data}


SAID: list[tuple[str, dict[str, Any]]] = [
    ("notification", _one("7", title="New Task", message="M", data={"n": 0}, level="warning")),
    ("alert", {"title": "Low Oxygen", "message": "M", "level": "critical", "data": {"n": 1}}),
    _event("stream:data", {"n": 2}, "alice"),
    _event("stream:data", {"n": 3}),
    _event("stream:data", {"n": 4}, "a:b"),
    _event("stream:data", {"n": 5}),
    _event("stream:data", {"n": 6}),
    _event("sns:publish_success", {"post_id": 1}, "7"),
    _event("orders:order_updated", {"order_id": 1}, "7"),
    ("notification", _one("7", title="Shipped", message="M", type="order", data={"action_url": "/orders/1"})),
    (
        "notification",
        _one(
            "7",
            title="Published",
            message="Your post was published to instagram, twitter.",
            type="sns_publish_success",
            level="success",
            data={"post_id": 123, "platforms": ["instagram", "twitter"]},
        ),
    ),
    (
        "notification",
        _one("7", title="Your form", message="Your\tform\nwas submitted", level="success", data={"form_id": 5}),
    ),
    (
        "notification",
        {"audience": {"tenant": True}, "title": "M", "message": "M", "type": "maintenance", "category": "c"},
    ),
    (
        "notification",
        _one("7", title="M", message="M", channels=["in_app"], reference="9", data={"notification_id": 9}),
    ),
]


def test_with_a_connection_everything_goes_through_the_outbox(transaction):
    carillon.configure(tenant="acme")
    said = say(connection=transaction.connection)
    assert transaction.bodies() == SAID
    stored = rows(transaction.engine)
    assert {row["tenant_id"] for row in stored} == {"acme"}
    assert stored[-1]["idempotency_key"] == "save_notification:7:9"
    assert said[0] | {"created_at": ""} == {"id": (i := str(stored[0]["id"])), "notification_id": i, "created_at": ""}
    assert said[1]["alert_id"] == str(stored[1]["id"])
    assert said[0]["created_at"].endswith("Z")
    assert said[2:9] == [1] * 7


def test_without_one_everything_goes_over_http(server):
    said = say()
    kinds = {"/v1/notifications": "notification", "/v1/alerts": "alert", "/v1/events": "event"}
    assert [(kinds[request.url.path], json.loads(request.content)) for request in server.requests] == SAID
    assert server.requests[-1].headers["Idempotency-Key"] == "save_notification:7:9"
    assert said[0] == {
        "id": ACCEPTED["id"],
        "notification_id": ACCEPTED["id"],
        "created_at": "2026-11-26T12:00:00.000Z",
    }
    assert said[1] == {"id": ALERT["id"], "alert_id": ALERT["id"], "created_at": "2026-11-26T12:00:00.000Z"}
    assert said[2:9] == [1] * 7


def test_a_rollback_says_nothing(transaction):
    carillon.configure(tenant="acme")
    say(connection=transaction.connection)
    transaction.connection.rollback()
    assert transaction.bodies() == []


# The unified hub


def test_what_the_old_hub_emitted_by_hand_becomes_the_thing_itself(transaction):
    emitter, connection = hub.EventEmitter, transaction.connection
    new = {"notification_id": "n-7", "title": "T", "message": "M", "type": "task", "created_at": "2026", "n": 1}
    assert emitter.emit_to_user("usr_1", "notification:new", new, tenant="acme", connection=connection) == 1
    assert (
        emitter.emit_to_user("usr_1", "notification:count", {"unread": 99}, tenant="acme", connection=connection) == 0
    )
    alert = {"alert_id": 17, "title": "T", "message": "M", "severity": "error", "pond": "A", "type": None}
    assert emitter.emit_to_account("acme", "alert:new", alert, connection=connection) == 1
    assert emitter.emit_to_account("acme", "alert:count", {"unacknowledged": 99}, connection=connection) == 0
    assert emitter.emit_to_room("user:usr_1", "notification:count", {"unread": 99}, connection=connection) == 0
    for event, data in {
        "notification:read": {"notification_id": "n-7"},
        "notification:deleted": {"id": 8},
        "notification:read_all": {},
    }.items():
        assert emitter.emit_to_user("usr_1", event, data, tenant="acme", connection=connection) == 1
    assert transaction.bodies() == [
        (
            "notification",
            _one(
                "usr_1",
                title="T",
                message="M",
                type="task",
                reference="n-7",
                data={"n": 1, "notification_id": "n-7"},
            ),
        ),
        ("alert", {"title": "T", "message": "M", "level": "error", "alert_id": 17, "data": {"pond": "A"}}),
        ("inbox", {"user": "usr_1", "change": "read", "notification": "n-7"}),
        ("inbox", {"user": "usr_1", "change": "delete", "notification": 8}),
        ("inbox", {"user": "usr_1", "change": "read_all"}),
    ]


@pytest.mark.parametrize(
    ("severity", "level"),
    [("low", "info"), ("medium", "warning"), ("HIGH", "error"), ("emergency", "critical"), ("error", "error")],
)
def test_severities_of_other_scales_are_levels_and_keep_their_word(server, severity, level):
    hub.AlertHandler.create_and_emit("acme", "T", "M", severity=severity)
    hub.NotificationHandler.create_and_emit("acme", "u", "T", "M", level=severity)
    for request, default in zip(server.requests, ("warning", "info"), strict=True):
        # The default level is left out.
        body = json.loads(request.content)
        assert body.get("level", default) == level
        assert body.get("severity") == (severity if severity != level else None)
    with pytest.raises(ValueError, match="must be one of info, success, warning, error, critical, debug"):
        hub.NotificationHandler.create_and_emit("acme", "u", "T", "M", level="loud")


def test_no_type_is_not_a_type_called_none(server):
    simple.send_notification(7, {"message": "M", "type": None})
    simple.send_notification(7, {"message": "M", "type": "warn"})
    hub.NotificationHandler.create_and_emit("acme", "u", "T", "M", type=None)
    hub.AlertHandler.create_and_emit("acme", "T", "M", type=None, severity=None)
    hub.EventEmitter.emit_to_user("u", "notification:new", {"title": "T", "message": "M", "type": None})
    ns.broadcast_notification(7, None, "T", "M")
    server.client().send(audience={"users": ["u"]}, title="T", message="M", type=None, data=None, level=None)
    # The level info is the default.
    bodies = [json.loads(request.content) for request in server.requests]
    assert [body.get("type") for body in bodies] == [None] * 7
    assert (bodies[1]["level"], bodies[1]["severity"]) == ("warning", "warn")


@pytest.mark.parametrize("room", ["c-17", "conversation:c-17", "user:", "tenant:", ""])
def test_what_is_no_room_is_refused(server, room):
    with pytest.raises(LookupError, match="room"):
        hub.EventEmitter.emit_to_room(room, "stream:data", {})
    with pytest.raises(LookupError, match="room"):
        hub.EventEmitter.emit_to_room("tenant:acme", "stream:data", {}, tenant="other")


def test_every_field_of_a_notification_can_be_given(server):
    hub.NotificationHandler.create_and_emit(
        account_key="acme",
        target_user_key="usr_1",
        title="T",
        message="M",
        expires_in=timedelta(hours=1),
        priority="high",
        channels=["push"],
        idempotency_key="k",
        category=None,
    )
    hub.AlertHandler.create_and_emit("acme", "T", "M", expires_in=timedelta(hours=1), idempotency_key="k")
    for request in server.requests:
        assert request.headers["Idempotency-Key"] == "k"
        assert json.loads(request.content)["expires_in"] == 3600


@pytest.mark.parametrize("fields", [{"title": ""}, {"title": "a\nb"}, {"level": "loud"}, {"data": {"a": float("nan")}}])
def test_fields_out_of_their_limits_are_refused(server, fields):
    with pytest.raises(ValueError):
        hub.NotificationHandler.create_and_emit("acme", "u", **({"title": "T", "message": "M"} | fields))
    assert server.requests == []


# The simple system


@pytest.mark.parametrize(
    ("notification", "title"),
    [
        ({"message": "\n\n  Second line\nthird"}, "Second line"),
        ({"message": "x" * 300}, "x" * 200),
        ({"message": "M", "title": "T"}, "T"),
        ({"message": "M", "title": None}, "M"),
    ],
)
def test_a_notification_without_a_title_has_its_first_line(server, notification, title):
    simple.send_notification("u", notification)
    assert json.loads(server.requests[0].content)["title"] == title


def test_what_is_saved_twice_has_one_key_whatever_the_ids_look_like(server):
    for user, known in (("u", 9), ("u", 9), ("a b", 9), ("ü", 9), ("u", "x" * 255), ("u", "x" * 254)):
        simple.save_notification(user, {"id": known, "message": "M"})
    keys = [request.headers["Idempotency-Key"] for request in server.requests]
    assert keys[0] == keys[1] == "save_notification:u:9"
    assert len(set(keys)) == 5
    simple.save_notification("u", {"message": "M"})
    assert server.requests[-1].headers["Idempotency-Key"] not in keys


def test_the_history_is_read_over_http_as_the_inbox_has_it():
    items = [{"id": str(n), "read": False, "whatever": n} for n in range(3)]
    pages = [
        httpx.Response(200, json={"data": items[:2], "page": {"next": "1", "has_more": True}}),
        httpx.Response(200, json={"data": items[2:], "page": {"next": None, "has_more": False}}),
    ]
    server = Server(*pages)
    carillon.configure(client=server.client(), tenant="acme")
    assert simple.get_notifications_for_user(7, limit=5) == items
    assert str(server.requests[0].url).endswith("/v1/users/7/inbox?limit=5&status=unread")
    server = Server(*pages)
    carillon.configure(client=server.client(), tenant="acme")
    assert simple.get_notifications_for_user("7", unread_only=False, limit=1, before="x") == items[:1]
    assert [dict(r.url.params) for r in server.requests] == [{"limit": "1", "status": "all", "after": "x"}]


def test_connections_are_found_spoken_to_and_counted_over_http():
    counts = {"web_processes": 1, "users": 2, "connections": 3, "rooms": 3}
    server = Server(
        httpx.Response(200, json={"data": ["s1", "s2"]}), httpx.Response(202), httpx.Response(200, json=counts)
    )
    carillon.configure(client=server.client(), tenant="acme")
    assert simple.get_user_sessions(7, "acme") == ["s1", "s2"]
    simple.send_direct_message("s1", {"message": "M"})
    assert simple.get_connection_metrics() == counts
    assert json.loads(server.requests[1].content) == {"message": {"message": "M"}}


# Configuration


def test_it_says_what_is_missing(transaction):
    with pytest.raises(RuntimeError, match="configure"):
        hub.AlertHandler.create_and_emit(None, "T", "M")
    with pytest.raises(ValueError, match="no tenant"):
        hub.AlertHandler.create_and_emit(None, "T", "M", connection=transaction.connection)
    with pytest.raises(ValueError, match="no tenant"):
        hub.EventEmitter.broadcast("stream:data", {})
    hub.AlertHandler.create_and_emit("acme", "T", "M", connection=transaction.connection)
    assert len(transaction.bodies()) == 1


def test_a_key_does_not_send_to_another_tenant(server):
    with pytest.raises(ValueError, match="tenant 'other'"):
        hub.AlertHandler.create_and_emit("other", "T", "M")
    carillon.configure(client=server.client())
    with pytest.raises(ValueError, match="tenant 'acme'"):
        hub.AlertHandler.create_and_emit("acme", "T", "M")
    hub.AlertHandler.create_and_emit(None, "T", "M")
    assert len(server.requests) == 1


def test_a_connection_may_be_of_any_tenant(server, transaction):
    hub.AlertHandler.create_and_emit("other", "T", "M", connection=transaction.connection)
    transaction.connection.commit()
    assert [row["tenant_id"] for row in rows(transaction.engine)] == ["other"]
    assert server.requests == []


def test_configure_takes_a_url_with_a_key_or_a_client():
    for wrong in ({"url": "https://carillon.test"}, {"key": "k"}):
        with pytest.raises(ValueError, match="url and key"):
            carillon.configure(**wrong)
    client = Server(problem(500)).client()
    with pytest.raises(ValueError, match="url and key"):
        carillon.configure(url="https://carillon.test", key="k", client=client)
    carillon.configure(url="https://carillon.test", key="k", tenant="acme")
    assert isinstance(transport.http("acme"), carillon.Client)
