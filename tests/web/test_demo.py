"""The demo's way in: one click under `make run`, and no way in anywhere else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from actions.tokens import Claims
from config.jwt_keys import JwtKeys
from lab import demo as people
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
