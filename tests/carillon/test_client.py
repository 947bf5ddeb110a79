"""What the client sends and what it makes of the answers."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import ssl
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

import carillon
from carillon import calls
from carillon.client import AsyncClient, Client
from carillon.results import Accepted
from tests.carillon.server import ACCEPTED, KEY, NOW, Server, problem

SINCE = "2026-11-26T12%3A00%3A00%2B00%3A00"
HELLO: dict[str, Any] = {"audience": {"users": ["alice"]}, "title": "Hello", "message": "World"}
ALERT = {
    "id": "0193ec00-0000-7000-8000-000000000001",
    "title": "T",
    "message": "M",
    "level": "error",
    "severity": "error",
    "type": "alert",
    "data": {},
    "created_at": "2026-11-26T12:00:00.000Z",
    "expires_at": "2026-12-03T12:00:00.000Z",
    "state": "new",
    "acknowledged": False,
    "acknowledged_by": None,
    "acknowledged_at": None,
}


def sent(server: Server) -> tuple[str, str, Any]:
    request = server.requests[-1]
    body = json.loads(request.content) if request.content else None
    return request.method, request.url.raw_path.decode(), body


def test_a_notification_is_sent_with_key_and_version():
    server = Server(httpx.Response(202, json=ACCEPTED))
    accepted = server.client().send(**HELLO, severity="error", idempotency_key="order-7")
    assert accepted == Accepted(id=ACCEPTED["id"], created_at=NOW, replayed=False)
    assert sent(server) == (
        "POST",
        "/v1/notifications",
        HELLO | {"audience": {"users": [{"id": "alice"}]}, "level": "error"},
    )
    headers = server.requests[0].headers
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Idempotency-Key"] == "order-7"
    assert headers["User-Agent"].startswith(f"carillon-python/{carillon.__version__} ")
    assert headers["Content-Type"] == "application/json"


def test_a_replay_is_told_apart():
    server = Server(httpx.Response(202, json=ACCEPTED, headers={"Idempotent-Replayed": "true"}))
    assert server.client().send(carillon.Notification.model_validate(HELLO)).replayed
    server = Server(httpx.Response(201, json=ALERT, headers={"Idempotent-Replayed": "true"}))
    assert server.client().raise_alert(title="T", message="M").replayed


def test_every_call_has_a_key_of_its_own():
    server = Server(httpx.Response(202, json=ACCEPTED))
    client = server.client()
    client.send(**HELLO)
    client.send(**HELLO)
    first, second = (request.headers["Idempotency-Key"] for request in server.requests)
    assert first != second


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"title": "Hello"}, carillon.ValidationError),
        ({**HELLO, "title": ""}, carillon.ValidationError),
        ({**HELLO, "colour": "red"}, carillon.ValidationError),
        ({**HELLO, "idempotency_key": "a b"}, carillon.ValidationError),
        ({**HELLO, "notification": carillon.Notification.model_validate(HELLO)}, TypeError),
        ({}, TypeError),
    ],
)
def test_what_is_not_valid_is_not_sent(arguments, error):
    server = Server(httpx.Response(202, json=ACCEPTED))
    with pytest.raises(error):
        server.client().send(**arguments)
    assert server.requests == []


def test_a_validation_error_says_what_is_wrong_and_repeats_no_value():
    with pytest.raises(ValueError, match=r"^message: .*control characters.* \(and 1 more\)$") as refused:
        Server(problem(500)).client().send(**HELLO | {"message": "secret \x07", "priority": "now"})
    assert isinstance(refused.value, carillon.ValidationError)
    assert [e.field for e in refused.value.errors] == ["message", "priority"]
    assert "secret" not in str(refused.value)


def test_bulk_items_are_answered_one_by_one():
    results = [
        {"status": 202, "id": "a", "created_at": "2026-11-26T12:00:00.000Z", "links": {}, "replayed": True},
        {"status": 422, "problem": problem(422, "validation").json()},
    ]
    server = Server(httpx.Response(202, json={"data": results}))
    good, bad = server.client().send_many(
        [HELLO, carillon.BulkItem.model_validate(HELLO | {"idempotency_key": "b"})], idempotency_key="k"
    )
    assert (good.status, good.id, good.replayed, good.problem) == (202, "a", True, None)
    assert bad.problem is not None
    assert bad.problem.code == "validation"
    items = sent(server)[2]["items"]
    assert items[1]["idempotency_key"] == "b"
    assert server.requests[0].headers["Idempotency-Key"] == "k"


def test_bulk_items_are_validated_with_their_positions():
    client = Server(problem(500)).client()
    with pytest.raises(carillon.ValidationError, match=r"^items\.1\.title"):
        client.send_many([HELLO, HELLO | {"title": ""}])
    for items in ([], [HELLO] * 101):
        with pytest.raises(carillon.ValidationError, match=r"^items"):
            client.send_many(items)


DELIVERY = {
    "id": 1,
    "user": "alice",
    "channel": "push",
    "action": "show",
    "state": "a state of a newer server",
    "attempts": 1,
    "created_at": "2026-11-26T12:00:00.000Z",
    "expires_at": "2026-11-26T12:00:00.000Z",
    "failed_attempts": [{"number": 1, "at": "2026-11-26T12:00:00.000Z", "failure": "timeout", "reason": "r", "new": 1}],
    "a_member_of_a_newer_server": {},
}


def page(next_: str | None, *data: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": data, "page": {"next": next_, "has_more": next_ is not None}})


def test_lists_are_read_page_by_page():
    server = Server(page("1", DELIVERY), page("2"), page(None, DELIVERY | {"id": 3}))
    found = server.client().deliveries("n", state="dead", page_size=1)
    assert server.requests == []
    assert [delivery.id for delivery in found] == [1, 3]
    assert [dict(request.url.params) for request in server.requests] == [
        {"limit": "1", "state": "dead"},
        {"limit": "1", "state": "dead", "after": "1"},
        {"limit": "1", "state": "dead", "after": "2"},
    ]


def test_lists_are_read_page_by_page_with_asyncio():
    async def run() -> list[int]:
        server = Server(page("1", DELIVERY), page(None, DELIVERY | {"id": 3}))
        async with server.async_client() as client:
            return [delivery.id async for delivery in client.deliveries("n")]

    assert asyncio.run(run()) == [1, 3]


def test_ids_are_one_segment_of_a_path_whatever_they_hold():
    server = Server(problem(404))
    client = server.client()
    for user, path in [
        ("a/b", "/v1/users/a%2Fb"),
        ("a b?c#d%", "/v1/users/a%20b%3Fc%23d%25"),
        ("../notifications", "/v1/users/..%2Fnotifications"),
        ("ü@example.test", "/v1/users/%C3%BC%40example.test"),
    ]:
        with pytest.raises(carillon.NotFound):
            client.get_user(user)
        assert sent(server)[1] == path
    for user in ("", "a\n", "x" * 129, ".", ".."):
        with pytest.raises(carillon.ValidationError, match=r"^user: "):
            client.get_user(user)
    with pytest.raises(carillon.ValidationError, match=r"^topic: "):
        client.open_topic("a b")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda c: c.recall("n"), ("DELETE", "/v1/notifications/n", None)),
        (lambda c: c.get_notification("n"), ("GET", "/v1/notifications/n", None)),
        (lambda c: next(c.notifications(since=NOW)), ("GET", f"/v1/notifications?limit=50&since={SINCE}", None)),
        (lambda c: c.get_alert("a"), ("GET", "/v1/alerts/a", None)),
        (lambda c: next(c.alerts(state="new")), ("GET", "/v1/alerts?limit=50&state=new", None)),
        (lambda c: c.count_alerts(), ("GET", "/v1/alerts/count", None)),
        (lambda c: c.delete_alert("a"), ("DELETE", "/v1/alerts/a", None)),
        (lambda c: c.event_types(), ("GET", "/v1/event-types", None)),
        (lambda c: c.get_event_type("a:b"), ("GET", "/v1/event-types/a%3Ab", None)),
        (
            lambda c: c.declare_event_type("a:b", title="T", ttl=60),
            ("PUT", "/v1/event-types/a%3Ab", {"title": "T", "ttl": 60}),
        ),
        (lambda c: c.withdraw_event_type("a:b"), ("DELETE", "/v1/event-types/a%3Ab", None)),
        (lambda c: c.put_user("u", email=None), ("PUT", "/v1/users/u", {"email": None})),
        (lambda c: c.put_user("u", locale="de"), ("PUT", "/v1/users/u", {"locale": "de"})),
        (lambda c: c.enable_email("u"), ("POST", "/v1/users/u/email/enable", None)),
        (lambda c: c.devices("u"), ("GET", "/v1/users/u/devices", None)),
        (
            lambda c: c.put_device("u", token="t", platform="web"),
            ("PUT", "/v1/users/u/devices", {"token": "t", "platform": "web"}),
        ),
        (lambda c: c.delete_device("u", "d"), ("DELETE", "/v1/users/u/devices/d", None)),
        (lambda c: c.add_to_topic("t", ["u"]), ("PUT", "/v1/topics/t/members", {"users": ["u"]})),
        (lambda c: c.remove_from_topic("t", ["u"]), ("DELETE", "/v1/topics/t/members", {"users": ["u"]})),
        (lambda c: c.open_topic("t"), ("PUT", "/v1/topics/t", {"open": True})),
        (lambda c: c.close_topic("t"), ("PUT", "/v1/topics/t", {"open": False})),
        (lambda c: next(c.inbox("u", status="unread")), ("GET", "/v1/users/u/inbox?limit=50&status=unread", None)),
        (lambda c: c.connections("u"), ("GET", "/v1/users/u/connections", None)),
        (lambda c: c.send_to_connection("s", {"a": 1}), ("POST", "/v1/connections/s/messages", {"message": {"a": 1}})),
        (lambda c: c.count_connections(), ("GET", "/v1/connections/count", None)),
        (lambda c: next(c.dead_letters(channel="push")), ("GET", "/v1/dead-letters?limit=200&channel=push", None)),
        (lambda c: c.redrive(ids=[1]), ("POST", "/v1/dead-letters/redrive", {"limit": 1000, "ids": [1]})),
        (
            lambda c: c.redrive(failure="quota", redrive_id="r"),
            ("POST", "/v1/dead-letters/redrive", {"limit": 1000, "failure": "quota", "redrive": "r"}),
        ),
        (lambda c: c.get_redrive("r"), ("GET", "/v1/redrives/r", None)),
        (
            lambda c: c.usage(since=date(2026, 11, 1), until=date(2026, 11, 30)),
            ("GET", "/v1/usage?since=2026-11-01&until=2026-11-30", None),
        ),
        (lambda c: next(c.rejected()), ("GET", "/v1/outbox/rejected?limit=50", None)),
    ],
)
def test_every_operation_asks_the_right_resource(call, expected):
    server = Server(problem(403))
    with pytest.raises(carillon.Forbidden):
        call(server.client())
    assert sent(server) == expected


def test_a_message_that_is_no_payload_is_not_sent():
    with pytest.raises(carillon.ValidationError, match=r"^message: "):
        Server(problem(500)).client().send_to_connection("s", {"at": datetime.now(UTC)})


def test_a_rejected_row_says_why():
    row = {
        "id": "0193ec00-0000-7000-8000-000000000000",
        "kind": "event",
        "created_at": "2026-11-26T12:00:00.000Z",
        "rejected_at": "2026-11-26T12:00:01.000Z",
        "problem": problem(422, "unknown_event_type").json() | {"new": 1},
    }
    [rejected] = Server(page(None, row)).client().rejected()
    assert (rejected.kind, rejected.problem.code, rejected.body) == ("event", "unknown_event_type", None)


@pytest.mark.parametrize(
    ("status", "class_"),
    [
        (400, carillon.Invalid),
        (413, carillon.Invalid),
        (415, carillon.Invalid),
        (422, carillon.Invalid),
        (401, carillon.Unauthorized),
        (403, carillon.Forbidden),
        (404, carillon.NotFound),
        (409, carillon.Conflict),
        (429, carillon.RateLimited),
        (502, carillon.Unavailable),
        (503, carillon.Unavailable),
        (504, carillon.Unavailable),
        (500, carillon.ProblemError),
        (302, carillon.ProblemError),
    ],
)
def test_every_problem_has_its_class(status, class_):
    errors = [{"field": "title", "code": "blank", "message": "must not be blank"}]
    client = Server(problem(status, "c", errors=errors, request_id="r", headers={"Retry-After": "1"})).client(retries=0)
    with pytest.raises(carillon.ProblemError) as refused:
        client.count_alerts()
    error = refused.value
    assert type(error) is class_
    assert (error.status, error.code, error.detail, error.request_id, error.retry_after) == (status, "c", "D", "r", 1.0)
    assert [e.field for e in error.errors] == ["title"]
    assert error.document is not None
    assert str(error) == f"{status} c: D"


def test_the_answer_of_a_proxy_is_no_problem_document():
    answer = httpx.Response(502, text="<html>Bad Gateway</html>", headers={"X-Request-Id": "r"})
    with pytest.raises(carillon.Unavailable, match="502 unexpected_status") as refused:
        Server(answer).client(retries=0).count_alerts()
    assert (refused.value.document, refused.value.request_id) == (None, "r")


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, text="<html>"), httpx.Response(200, json={}), httpx.Response(204)]
)
def test_the_answer_of_another_server_is_noticed(answer):
    client = Server(answer).client()
    for call in (client.count_alerts, lambda: client.send(**HELLO), client.event_types, lambda: next(client.alerts())):
        with pytest.raises(carillon.UnexpectedAnswer):
            call()


@pytest.mark.parametrize(
    "url",
    ["", "carillon.test", "ftp://carillon.test", "https://", "https://carillon.test?a=b", "https://u:p@carillon.test"],
)
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="url"):
        Client(url, KEY)


@pytest.mark.parametrize("key", ["", "a b", "ü", "a\r\nb"])
def test_a_key_that_is_none_is_refused_and_not_repeated(key):
    with pytest.raises(ValueError, match="key") as refused:
        Client("https://carillon.test", key)
    assert "\r" not in str(refused.value)


def test_a_server_may_live_below_a_path():
    server = Server(httpx.Response(200, json={"unacknowledged": 3}))
    assert server.client("https://example.test/carillon/").count_alerts() == 3
    assert str(server.requests[0].url) == "https://example.test/carillon/v1/alerts/count"


def test_neither_the_key_nor_a_body_gets_into_logs_or_errors(caplog):
    caplog.set_level(logging.DEBUG)
    server = Server(httpx.ReadTimeout("late"))
    client = server.client()
    with pytest.raises(carillon.TimedOut) as refused:
        client.send(**HELLO | {"message": "confidential"})
    assert len(caplog.records) >= 4
    logged = "".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    for text in (logged, repr(client), repr(refused.value), repr(refused.value.__cause__)):
        assert KEY not in text
        assert "confidential" not in text


def test_certificates_are_verified():
    for client in (Client("https://carillon.test", KEY), AsyncClient("https://carillon.test", KEY)):
        context = client._http._transport._pool._ssl_context
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_both_clients_have_every_operation():
    operations = {
        name
        for name, function in vars(calls).items()
        if inspect.isfunction(function) and function.__module__ == calls.__name__ and not name.startswith("_")
    } - {"list_of", "inbox_path"}
    for class_ in (Client, AsyncClient):
        methods = {name for name, value in vars(class_).items() if callable(value) and not name.startswith("_")}
        assert methods - {"run", "pages", "close", "aclose"} == operations
        for name in operations:
            assert getattr(class_, name).__doc__
    assert list(inspect.signature(Client.get_user).parameters) == ["self", "user"]


def test_a_closed_client_has_no_connections():
    with Server(httpx.Response(200, json={"unacknowledged": 0})).client() as client:
        assert client.count_alerts() == 0
    with pytest.raises(RuntimeError):
        client.count_alerts()
