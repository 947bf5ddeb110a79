"""Health, readiness, metrics, and what an outage looks like from outside."""

from __future__ import annotations

import signal
import threading
import time
from uuid import UUID

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from actions.installation import utc_now
from bus.bells import Bells
from models.sql.engine import connect
from tests.amqp_broker import amqp_broker
from tests.conftest import redis_process
from tests.factories import create_api_key, create_settings, create_users, expand_all, free_port
from tests.waiting import eventually
from tests.web.callers import Caller
from web import VERSION, health
from web.app import create_app

NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"


def other_app(directory, **environ: str):
    return create_app(create_settings(directory, **environ)).test_client()


def url_of(engine) -> str:
    return engine.url.render_as_string(hide_password=False)


def test_a_sound_process_is_healthy_and_ready(client):
    assert client.get("/healthz").json["status"] == "ok"
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["status"]) == (200, "ok")
    assert ready.json["checks"] == {name: {"ok": True} for name in ("broker", "database", "redis")}
    assert client.get("/version").json == {"name": "carillon", "version": VERSION}


def test_a_part_of_the_process_may_report_itself_sick(app, client):
    app.extensions["carillon"].alive["listener"] = lambda: "deaf"
    sick = client.get("/healthz")
    assert (sick.status_code, sick.json["status"]) == (503, "failed")
    assert sick.json["checks"]["listener"] == {"ok": False, "error": "deaf"}


def test_without_redis_it_is_degraded(tmp_path, engine):
    gone = f"redis://:secret@127.0.0.1:{free_port()}/0"
    client = other_app(tmp_path, DATABASE_URL=url_of(engine), REDIS_URL=gone)
    began = time.monotonic()
    ready = client.get("/readyz")
    assert time.monotonic() - began < 10
    assert (ready.status_code, ready.json["status"]) == (503, "degraded")
    assert [ready.json["checks"][name]["ok"] for name in ("broker", "database", "redis")] == [False, True, False]
    assert "secret" not in ready.text
    assert client.get("/healthz").status_code == 200


def test_without_the_database_it_is_unavailable(tmp_path, redis_server):
    client = other_app(tmp_path, DATABASE_URL=NOWHERE, REDIS_URL=redis_server)
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["status"]) == (503, "unavailable")
    assert ready.json["checks"]["database"]["ok"] is False


@pytest.mark.parametrize(("revision", "fits"), [("0001", False), ("9999", True)])
def test_a_database_of_a_later_release_is_ready_and_an_older_one_is_not(client, engine, revision, fits):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
    assert client.get("/readyz").json["checks"]["database"]["ok"] is fits


def test_a_database_that_was_not_migrated_is_not_ready(tmp_path, redis_server):
    client = other_app(tmp_path, REDIS_URL=redis_server)
    checks = client.get("/readyz").json["checks"]
    assert checks["database"] == {"ok": False, "error": "WrongSchema"}


def test_a_frozen_dependency_is_given_up_in_time(tmp_path, engine, monkeypatch):
    monkeypatch.setattr(health, "PATIENCE", 0.3)
    with redis_process() as (url, process):
        client = other_app(tmp_path, DATABASE_URL=url_of(engine), REDIS_URL=url)
        # The first answer loads the migrations, which takes longer than this test's patience.
        eventually(lambda: client.get("/readyz").status_code == 200)
        process.send_signal(signal.SIGSTOP)
        for _ in range(3):
            began = time.monotonic()
            frozen = client.get("/readyz")
            assert time.monotonic() - began < 10
            assert (frozen.status_code, frozen.json["status"]) == (503, "degraded")
        process.send_signal(signal.SIGCONT)


def test_a_question_that_is_still_open_is_not_asked_again():
    asked = []
    answered = threading.Event()
    probe = health.Probe(lambda: asked.append(answered.wait(10)) or None)
    for _ in range(3):
        probe.begin()
        assert "no answer" in (probe.result(time.monotonic() + 0.02) or "")
    answered.set()
    assert probe.result(time.monotonic() + 5) is None
    assert asked == [True]


def test_while_the_database_is_away_every_request_is_told_to_come_back(tmp_path, api_key, user_token, redis_server):
    client = other_app(tmp_path, DATABASE_URL=NOWHERE, REDIS_URL=redis_server)
    for answer in (Caller(client, api_key).send(), Caller(client, user_token()).get("/v1/events")):
        assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
        assert answer.headers["Retry-After"] == "1"
        assert "nobody" not in answer.text


def test_while_the_broker_is_away_notifications_are_taken(settings, api_key, caplog):
    """The bells of this test are real, and their broker is not there."""
    bells = Bells("redis://127.0.0.1:1/4")
    app = create_app(settings, bells)
    began = time.monotonic()
    answer = Caller(app.test_client(), api_key).send()
    assert answer.status_code == 202
    assert time.monotonic() - began < 10
    eventually(lambda: "bell not sent" in caplog.messages)
    assert not bells.publish()
    app.extensions["carillon"].engine.dispose()


def samples(client) -> dict[tuple[str, tuple], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_metrics_show_the_backlog_and_no_names(service, client, engine):
    create_users(engine, ["alice"], email=True)
    expand_all(engine, UUID(service.send().json["id"]), utc_now())
    seen = samples(client)
    assert seen["carillon_backlog_due", (("channel", "email"),)] == 1
    assert seen["carillon_backlog_due", (("channel", "push"),)] == 0
    assert seen["carillon_backlog_oldest_seconds", (("channel", "email"),)] < 60
    assert seen["carillon_database_up", ()] == 1
    assert seen["carillon_lane_due", (("channel", "email"), ("lane", "normal"))] == 1
    assert seen["carillon_lane_due", (("channel", "email"), ("lane", "bulk"))] == 0
    assert seen["carillon_dead_letters", (("channel", "email"), ("failure", "quota"))] == 0
    route = (("method", "POST"), ("route", "/v1/notifications"), ("status", "2xx"))
    assert seen["carillon_http_requests_total", route] == 1
    assert not any(value in ("acme", "alice") for _, labels in seen for _, value in labels)


def test_unknown_paths_make_no_series_of_their_own(client):
    for n in range(5):
        client.get(f"/v1/nothing/{n}")
        client.open(f"/v1/nothing/{n}", method="BREW")
    series = [labels for name, labels in samples(client) if name == "carillon_http_requests_total"]
    assert series == [(("method", "other"), ("route", "unknown"), ("status", "4xx"))]


def test_metrics_are_served_without_the_database(tmp_path):
    seen = samples(other_app(tmp_path, DATABASE_URL=NOWHERE))
    assert seen["carillon_database_up", ()] == 0
    assert ("carillon_backlog_due", (("channel", "email"),)) not in seen


def test_nothing_is_connected_when_the_application_is_made(tmp_path):
    app = create_app(create_settings(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/never/made.db"))
    assert app.extensions["carillon"].engine.pool.checkedout() == 0
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize("key", ["live", "test"])
def test_a_broken_connection_is_replaced(engine, app, key, tenant):
    """All pooled connections die; the next request must not notice."""
    caller = Caller(app.test_client(), create_api_key(engine, tenant, key))
    assert caller.get("/v1/notifications").status_code == 200
    if engine.dialect.name == "postgresql":
        with connect(url_of(engine)).connect() as other:
            other.exec_driver_sql(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
    assert caller.get("/v1/notifications").status_code == 200


def test_a_redis_that_takes_no_writes_is_seen(tmp_path, engine):
    with redis_process() as (url, _process):
        client = other_app(tmp_path, DATABASE_URL=url_of(engine), REDIS_URL=url)
        assert client.get("/readyz").status_code == 200
        with redis.Redis.from_url(url) as own:
            own.config_set("maxmemory", 1)
        full = client.get("/readyz")
        assert (full.status_code, full.json["status"]) == (503, "degraded")
        assert [full.json["checks"][name]["ok"] for name in ("broker", "database", "redis")] == [False, True, False]
        with redis.Redis.from_url(url) as own:
            own.config_set("maxmemory", 0)
            assert client.get("/readyz").status_code == 200
            # What was written is gone, or goes soon.
            assert (own.exists("carillon:probe"), 0 < own.ttl("carillon:readyz") <= 60) == (0, True)


def test_a_broker_under_an_alarm_is_seen(tmp_path, engine, redis_server):
    with amqp_broker() as broker:
        client = other_app(tmp_path, DATABASE_URL=url_of(engine), REDIS_URL=redis_server, BROKER_URL=broker.url)
        eventually(lambda: client.get("/readyz").status_code == 200)
        broker.alarm.set()
        began = time.monotonic()
        alarmed = client.get("/readyz")
        assert time.monotonic() - began < 10
        assert (alarmed.status_code, alarmed.json["checks"]["broker"]["ok"]) == (503, False)
