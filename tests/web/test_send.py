"""POST /v1/notifications: what is taken, what is refused, and what 202 means."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from models.notifications.tables import notifications
from models.sql.engine import read
from tests.factories import create_settings
from tests.web.callers import BODY, Caller, fields
from web.app import create_app


def stored(engine):
    with read(engine) as connection:
        return connection.execute(select(notifications).order_by(notifications.c.id)).all()


def test_202_means_committed_then_rung(service, engine, bells):
    answer = service.send()
    assert answer.status_code == 202
    [row] = stored(engine)
    assert (answer.json["id"], answer.json["status"]) == (str(row.id), "accepted")
    assert answer.headers["Location"] == answer.json["links"]["self"] == f"/v1/notifications/{row.id}"
    assert "Idempotent-Replayed" not in answer.headers
    assert bells == [("expand", [str(row.id)])]
    assert service.get(answer.headers["Location"]).json["title"] == "Hello"


def test_everything_said_is_kept(service, engine):
    everything = {
        "audience": {"users": ["alice", {"id": "bob", "email": "Bob@EXAMPLE.test", "locale": "de-AT"}]},
        "title": "Grüße 🔔",
        "message": "two\nlines\tand a tab",
        "data": {"a": [1, 2.5, None, True, {"ß": "\U0001f514"}], "big": 2**53},
        "severity": "warning",
        "priority": "high",
        "category": "billing",
        "type": "invoice.due",
        "channels": ["email", "in_app"],
        "expires_in": 3600,
        "collapse_key": "invoice 17",
        "reference": "order/4711",
        "url": "https://example.test/invoices/17?a=b#c",
    }
    answer = service.post("/v1/notifications", everything)
    assert answer.status_code == 202
    [row] = stored(engine)
    assert row.audience == {"users": [{"id": "alice"}, {"id": "bob", "email": "Bob@example.test", "locale": "de-AT"}]}
    assert row.expires_at - row.created_at == timedelta(hours=1)
    seen = service.get(answer.headers["Location"]).json
    for name in everything.keys() - {"audience", "severity", "expires_in"}:
        assert seen[name] == everything[name], name
    assert (seen["level"], seen["state"], seen["mode"], seen["deliveries"]) == ("warning", "accepted", "live", {})


@pytest.mark.parametrize("audience", [{"topic": "news"}, {"tenant": True}, {"users": ["a"] * 1000}])
def test_every_kind_of_audience_is_taken(service, audience):
    assert service.send(audience=audience).status_code == 202


def test_the_default_expiry_is_a_week_and_never_beyond_retention(service, engine, tmp_path, tenant, api_key, client):
    service.send()
    [row] = stored(engine)
    assert row.expires_at - row.created_at == timedelta(days=7)
    url = str(engine.url.render_as_string(hide_password=False))
    short = create_app(create_settings(tmp_path, DATABASE_URL=url, CARILLON_RETENTION_DAYS="2"))
    other = Caller(short.test_client(), api_key)
    other.send()
    assert stored(engine)[1].expires_at - stored(engine)[1].created_at == timedelta(days=2)
    refused = other.send(expires_in=2 * 86400 + 1)
    assert (refused.status_code, fields(refused)) == (422, ["expires_in"])
    short.extensions["carillon"].engine.dispose()


def test_a_users_token_cannot_publish(alice, engine):
    refused = alice.send()
    assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert stored(engine) == []


def test_a_test_key_needs_a_lab(trial, engine, tmp_path):
    assert trial.send().status_code == 202
    assert [row.mode for row in stored(engine)] == ["test"]
    url = str(engine.url.render_as_string(hide_password=False))
    app = create_app(create_settings(tmp_path, DATABASE_URL=url, CARILLON_LAB_URL=""))
    without = Caller(app.test_client(), trial.token)
    for refused in (without.send(), without.post("/v1/notifications/bulk", {"items": [BODY]})):
        assert (refused.status_code, refused.json["code"]) == (409, "no_lab")
        assert "CARILLON_LAB_URL" in refused.json["detail"]
    app.extensions["carillon"].engine.dispose()


def test_acceptances_are_counted(service, app):
    service.send(priority="critical", key="k")
    service.send(priority="critical", key="k")
    exposition = app.test_client().get("/metrics").text
    assert 'carillon_accepted_total{priority="critical"} 1.0' in exposition


def test_nothing_is_counted_twice(engine, service):
    for _ in range(3):
        service.send(key="same")
    with read(engine) as connection:
        assert connection.execute(select(func.count()).select_from(notifications)).scalar_one() == 1


def test_no_bell_is_rung_before_the_commit(service, engine, recorder):
    heard = []

    def ring(_task: str, args: list[str], _queue: str, _lane: int) -> bool:
        # From another connection: what is not committed is not seen.
        heard.append(args[0] in [str(row.id) for row in stored(engine)])
        return True

    recorder.ring = ring
    service.send()
    service.post("/v1/notifications/bulk", {"items": [BODY, BODY]})
    assert heard == [True] * 3
