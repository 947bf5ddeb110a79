"""Request ids, the access log, CORS, security headers."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from carillon.text import UNPRINTABLE
from config.logging_setup import configure_logging
from config.settings import SettingsError
from tests.factories import create_settings
from tests.web.callers import Caller, body
from web.app import create_app

PAGE = "https://app.example.test"


@pytest.fixture
def browser(tmp_path, engine, redis_server, user_token):
    """A client of an application that pages of PAGE may use."""
    url = engine.url.render_as_string(hide_password=False)
    app = create_app(
        create_settings(
            tmp_path, DATABASE_URL=url, REDIS_URL=redis_server, CARILLON_CORS_ORIGINS=f"{PAGE},https://b.test"
        )
    )
    yield Caller(app.test_client(), user_token())
    app.extensions["carillon"].engine.dispose()


def test_a_request_has_an_id_in_answer_problem_and_log(service, caplog):
    caplog.set_level(logging.INFO, logger="web.access")
    given = service.post("/v1/notifications", body(title=""), X_Request_Id="trace-1:a.b_c")
    assert given.headers["X-Request-Id"] == given.json["request_id"] == "trace-1:a.b_c"
    [line] = caplog.records
    assert (line.request_id, line.route, line.method) == ("trace-1:a.b_c", "/v1/notifications", "POST")
    assert (line.status, line.tenant) == (422, "acme")
    assert line.ms > 0


@pytest.mark.parametrize("bad", ["", "a" * 65, "a b", "a\tb", 'a"b', "ä", "${jndi:x}"])
def test_an_id_that_could_forge_the_log_is_replaced(service, bad):
    answer = service.ask("GET", "/v1/notifications", None, X_Request_Id=bad)
    assert answer.headers["X-Request-Id"] != bad
    assert len(answer.headers["X-Request-Id"]) == 32


def test_the_log_holds_no_token_no_content_and_no_id(service, alice, capsys, monkeypatch):
    before = logging.getLogger().handlers[:]
    configure_logging("DEBUG")
    try:
        service.send(
            key="the-key", title="the-title", audience={"users": [{"id": "someone", "email": "s@example.test"}]}
        )
        service.put("/v1/users/someone/devices", {"token": "the-device-token"})
        service.send(title=7, audience={"users": [{"id": "someone", "email": "not-an-address"}]})
        alice.get("/v1/events?cursor=the-cursor")
        Caller(service.client, "the-wrong-token").get("/v1/users/someone")
    finally:
        logging.basicConfig(handlers=before, force=True)
    logged = capsys.readouterr().err
    lines = [json.loads(line) for line in logged.splitlines()]
    assert [line["status"] for line in lines if line["logger"] == "web.access"] == [202, 200, 422, 422, 401]
    named = "the-key the-title s@example.test the-device-token not-an-address the-cursor the-wrong-token someone"
    hidden = [service.token, alice.token, *named.split()]
    assert [text for text in hidden if text in logged] == []


def test_the_log_escapes_what_a_terminal_would_obey(capsys):
    before = logging.getLogger().handlers[:]
    configure_logging("INFO")
    try:
        logging.getLogger("x").warning("not sent", extra={"reason": "\x1b[31m\x9b\u202e\u2028"})
    finally:
        logging.basicConfig(handlers=before, force=True)
    logged = capsys.readouterr().err
    assert not UNPRINTABLE.search(logged.removesuffix("\n"))
    assert json.loads(logged)["reason"] == "\x1b[31m\x9b\u202e\u2028"


def test_health_checks_are_logged_only_when_they_fail(client, app, caplog):
    caplog.set_level(logging.INFO, logger="web.access")
    client.get("/healthz")
    client.get("/metrics")
    assert caplog.records == []
    app.extensions["carillon"].alive["part"] = lambda: "broken"
    client.get("/healthz")
    assert [record.status for record in caplog.records] == [503]


def test_an_error_of_ours_is_a_problem_that_tells_nothing(app, api_key, monkeypatch, caplog):
    def fail(*_):
        raise RuntimeError("the secret")

    monkeypatch.setattr("actions.send.accept_all", fail)
    answer = Caller(app.test_client(), api_key).send()
    assert (answer.status_code, answer.json["code"]) == (500, "internal")
    assert "secret" not in answer.text
    [line] = [record for record in caplog.records if record.message == "unhandled"]
    assert line.exc_info[1].args == ("the secret",)
    assert line.request_id == answer.json["request_id"]


def test_every_answer_has_the_security_headers(service, client):
    for answer in (service.send(), service.send(title=""), client.get("/nothing"), client.get("/healthz")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "Set-Cookie" not in answer.headers
    assert service.send().headers["Cache-Control"] == "no-store"
    assert client.get("/api/notifications").headers["Cache-Control"] == "no-store"


def test_pages_of_the_named_origins_may_ask(browser):
    answer = browser.get("/v1/events", Origin=PAGE)
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "RateLimit-Remaining" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]
    refused = browser.get("/v1/events?limit=0", Origin=PAGE)
    assert refused.headers["Access-Control-Allow-Origin"] == PAGE


def test_a_preflight_needs_no_token(browser):
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = browser.client.options("/v1/acks", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.data == b""


def test_options_are_those_of_the_route(browser):
    assert {*browser.client.options("/v1/users/alice").headers["Allow"].split(", ")} >= {"GET", "PUT", "DELETE"}
    assert "GET" not in browser.client.options("/v1/acks").headers["Allow"]
    unknown = browser.client.options("/v1/nothing", headers={"Origin": PAGE})
    assert (unknown.status_code, unknown.json["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "origin", ["https://evil.test", f"{PAGE}.evil.test", f"{PAGE}:444", "http://app.example.test", "*"]
)
def test_other_pages_may_not_ask(browser, origin):
    for answer in (
        browser.get("/v1/events", Origin=origin),
        browser.client.options("/v1/acks", headers={"Origin": origin}),
    ):
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Access-Control-Allow-Methods" not in answer.headers
        assert "Origin" in answer.headers["Vary"]


def test_without_origins_nobody_else_may_ask(client, alice):
    assert "Access-Control-Allow-Origin" not in alice.get("/v1/events", Origin=PAGE).headers


def test_a_user_name_in_a_body_is_not_repeated_to_the_log(service, caplog):
    caplog.set_level(logging.DEBUG)
    service.post("/v1/notifications", body(audience={"users": ["very-private-name"]}))
    assert "very-private-name" not in caplog.text


def test_unusable_settings_are_listed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["x"])
    monkeypatch.setenv("CARILLON_LAESE", "1")
    monkeypatch.setenv("PORT", "many")
    with pytest.raises(SettingsError) as caught:
        create_app()
    assert "CARILLON_LAESE" in str(caught.value)
    assert "PORT" in str(caught.value)


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.1", "null"])
def test_pages_of_the_developers_machine_may_call_in_development_only(tmp_path, settings, origin):
    for env, expected in (("development", origin), ("production", None)):
        app = create_app(create_settings(tmp_path, DATABASE_URL=settings.database_url, CARILLON_ENV=env))
        answer = app.test_client().get("/v1/inbox", headers={"Origin": origin})
        assert answer.headers.get("Access-Control-Allow-Origin") == expected
