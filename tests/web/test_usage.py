"""What a tenant used, for its services and for operators."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date, timedelta

import pytest

from actions.installation import utc_now
from models.sql.engine import write
from models.usage.queries import Measure, add
from tests.databases import ROOT
from tests.factories import create_api_key, create_token
from tests.web.callers import BODY, Caller
from web.auth import OPERATOR

DAY = date(2026, 11, 1)


def use(engine, tenant: str, day: date = DAY, mode: str = "live") -> None:
    counts = {
        Measure(tenant, mode, day, "", "notifications"): 2,
        Measure(tenant, mode, day, "", "recipients"): 30,
        Measure(tenant, mode, day, "push", "sent"): 29,
        Measure(tenant, mode, day, "push", "dead"): 1,
        Measure(tenant, mode, day, "in_app", "sent"): 30,
    }
    with write(engine) as connection:
        add(connection, counts)


USED = {"notifications": 2, "recipients": 30, "deliveries": {"in_app": {"sent": 30}, "push": {"dead": 1, "sent": 29}}}


def test_a_service_sees_what_its_tenant_used_and_an_operator_any_tenants(service, operator, stranger, engine):
    use(engine, "acme")
    use(engine, "acme", DAY + timedelta(days=1))
    use(engine, "umbra", DAY - timedelta(days=1))
    november = "/v1/usage?since=2026-11-01&until=2026-11-30"
    assert service.get(november).json == {"data": [{"day": "2026-11-02", **USED}, {"day": "2026-11-01", **USED}]}
    assert service.get("/v1/usage?since=2026-11-01&until=2026-11-01").json == {"data": [{"day": "2026-11-01", **USED}]}
    assert stranger.get(november).json == {"data": []}
    assert operator.get("/v1/usage?since=2026-10-31&until=2026-11-30", Carillon_Tenant="umbra").json == {
        "data": [{"day": "2026-10-31", **USED}]
    }
    assert operator.get(november, Carillon_Tenant="acme", Carillon_Mode="test").json == {"data": []}


def test_an_operator_sees_what_each_of_their_tenants_used(client, settings, operator, service, engine):
    use(engine, "acme")
    use(engine, "acme", DAY + timedelta(days=1))
    use(engine, "umbra")
    use(engine, "umbra", mode="test")
    november = "/v1/operator/usage?since=2026-11-01&until=2026-11-30"
    acme, umbra = operator.get(november).json["data"]
    assert (acme["tenant"], acme["notifications"], acme["deliveries"]["push"]) == ("acme", 4, {"dead": 2, "sent": 58})
    assert umbra == {"tenant": "umbra", **USED}
    assert operator.get(f"{november}&mode=test").json["data"] == [umbra]
    own = Caller(client, create_token(settings, audience=OPERATOR, tenant="acme"))
    assert own.get(november).json["data"] == [acme]
    assert operator.get("/v1/operator/usage?since=2025-11-01&until=2026-11-02").status_code == 422


def test_what_was_accepted_is_counted_once_and_by_mode(app, service, client, engine):
    for _ in range(2):
        service.send("a-key")
    service.post("/v1/notifications/bulk", {"items": [BODY, BODY | {"title": ""}]})
    test = Caller(client, create_api_key(engine, "acme", "test"))
    test.send()
    app.extensions["carillon"].meter.usage.flush()
    today = utc_now().date().isoformat()
    for caller, number in ((service, 2), (test, 1)):
        [day] = caller.get("/v1/usage").json["data"]
        assert (day["day"], day["notifications"]) == (today, number)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=2026-11-02&until=2026-11-01", "since"),
        ("since=2025-11-01&until=2026-11-02", "since"),
        ("since=yesterday", "since"),
        ("until=2026-02-30", "until"),
        ("from=2026-11-01", "from"),
    ],
)
def test_days_that_cannot_be_returned(service, query, field):
    refused = service.get(f"/v1/usage?{query}")
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, field)


def test_the_first_days_of_the_calendar_and_the_last(service):
    assert service.get("/v1/usage?until=0001-01-01").json == {"data": []}
    assert service.get("/v1/usage?since=9999-12-31&until=9999-12-31").json == {"data": []}


def test_the_command_prints_a_tenants_days_or_all_tenants(app, engine, tenant):
    use(engine, "acme")
    use(engine, "acme", DAY + timedelta(days=1))
    use(engine, "umbra", DAY)
    use(engine, "umbra", DAY, "test")

    def run(*words: str) -> str:
        result = app.test_cli_runner().invoke(
            args=["tenants", "usage", *words, "--since", "2026-11-01", "--until", "2026-11-30"]
        )
        assert result.exit_code == 0, result.output
        return result.output

    assert [line.split() for line in run("acme").splitlines()] == [
        ["day", "notifications", "recipients", "in_app", "sent", "push", "dead", "push", "sent"],
        ["2026-11-02", "2", "30", "30", "1", "29"],
        ["2026-11-01", "2", "30", "30", "1", "29"],
    ]
    assert [line.split()[:3] for line in run().splitlines()[1:]] == [["acme", "4", "60"], ["umbra", "2", "30"]]
    assert json.loads(run("acme", "--json"))["data"] == [{"day": "2026-11-02", **USED}, {"day": "2026-11-01", **USED}]
    assert json.loads(run("--json", "--mode", "test"))["data"] == [{"tenant": "umbra", **USED}]
    missing = app.test_cli_runner().invoke(args=["tenants", "usage", "nobody"])
    assert "there is no tenant nobody" in missing.output


@pytest.mark.slow
def test_what_a_command_sends_is_counted_when_it_ends(service, settings, tenant):
    url, redis = settings.database_url, settings.redis_url
    environ = {**os.environ, "DATABASE_URL": url, "REDIS_URL": redis, "BROKER_URL": redis}
    words = ["send", "--tenant", tenant, "--user", "alice", "--title", "T", "--message", "M"]
    command = [sys.executable, "-m", "flask", "--app", "web.app", *words]
    subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True, timeout=60)
    assert [day["notifications"] for day in service.get("/v1/usage").json["data"]] == [1]
