"""The demo's way in: one click under `make run`, and no way in anywhere else."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from actions.tokens import Claims
from config.jwt_keys import JwtKeys
from lab import demo as people
from models.notifications.queries import find_notification
from models.sql.engine import read
from tests.factories import create_settings
from web.app import create_app
from web.auth import Authenticator

HERE = {"base_url": "http://127.0.0.1:8000"}


@pytest.fixture
def demo(engine, settings, tmp_path):
    people.prepare(engine, tmp_path / "keys.json", datetime.now(UTC))
    return Authenticator(JwtKeys.load(settings.jwks_file), Claims.of(settings), engine)


def test_whoever_clicks_is_signed_in(client, demo, settings):
    about = client.get("/demo", **HERE).json
    assert about == {"tenant": "demo", "people": ["alice", "bob", "carol"], "lab": settings.lab_url}
    signed_in = client.post("/demo/sign-in", json={"user": "bob"}, **HERE).json
    assert (demo.user(signed_in["token"]).id, demo.user(signed_in["token"]).tenant) == ("bob", "demo")
    assert demo.principal(signed_in["service_token"], ["service"]).tenant == "demo"
    operator = client.post("/demo/sign-in", json={"operator": True}, **HERE).json
    assert demo.principal(operator["operator_token"], ["operator"]).tenant == "*"


@pytest.mark.parametrize("body", [{"user": "mallory"}, {}, [], {"operator": 1}, {"user": ["bob"]}])
def test_nobody_else_is_signed_in(client, demo, body):
    assert client.post("/demo/sign-in", json=body, **HERE).status_code == 422


def test_a_page_of_elsewhere_cannot_have_its_name_point_here(client, demo):
    for path in ("/demo", "/demo/arrivals/alice"):
        assert client.get(path, base_url="http://rebound.example").status_code == 403
    answer = client.post("/demo/sign-in", json={"user": "alice"}, base_url="http://127.0.0.1.rebound.example")
    assert answer.status_code == 403
    assert (
        "Access-Control-Allow-Origin"
        not in client.get("/demo", headers={"Origin": "https://a.example"}, **HERE).headers
    )


def test_a_lab_that_is_away_is_told(client, demo):
    answer = client.get("/demo/arrivals/alice", **HERE)
    assert (answer.status_code, answer.json["detail"]) == (503, "the lab does not answer")
    assert client.get("/demo/arrivals/mallory", **HERE).status_code == 404


def test_there_is_no_demo_without_its_tenant(client):
    assert client.get("/demo", **HERE).status_code == 404


def test_in_production_there_is_none_at_all(tmp_path, engine):
    url = engine.url.render_as_string(hide_password=False)
    app = create_app(create_settings(tmp_path, DATABASE_URL=url, CARILLON_ENV="production"))
    assert [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/demo")] == []


# As the simple system documents it.
CURL = """curl -X POST http://localhost:5003/api/test/notification/user123 \\
  -H "Content-Type: application/json" \\
  -d '{"message": "Test notification", "type": "info"}'"""


def carry_out(client, command: str, **changed):
    """Make the request of a curl command."""
    curl, x, method, url, h, header, d, body = shlex.split(command.replace("\\\n", ""))
    assert (curl, x, h, d) == ("curl", "-X", "-H", "-d")
    there = urlsplit(url)
    given = {"base_url": f"{there.scheme}://{there.netloc}", "headers": [tuple(header.split(": "))]} | changed
    return client.open(there.path, method=method, data=body, **given)


def test_the_command_of_the_simple_system_works_as_it_is_written(client, demo, engine):
    sent = carry_out(client, CURL)
    assert sent.status_code == 202, sent.text
    with read(engine) as connection:
        found = find_notification(connection, "demo", UUID(sent.json["id"]))
    assert found is not None
    assert (found.audience, found.message, found.level) == (
        {"users": [{"id": "user123"}]},
        "Test notification",
        "info",
    )
    # From here only, and by no page of another origin. Whoever shows a key is who they say they are.
    assert carry_out(client, CURL, base_url="http://rebound.example").status_code == 401
    kind = [("Content-Type", "text/plain"), ("Origin", "https://a.example")]
    assert carry_out(client, CURL, headers=kind).status_code == 415
    wrong = [("Content-Type", "application/json"), ("Authorization", "Bearer rubbish")]
    assert carry_out(client, CURL, headers=wrong).status_code == 401


def test_without_the_demo_it_needs_a_key(client):
    assert carry_out(client, CURL).status_code == 401
