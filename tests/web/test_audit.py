"""Who changed what: recorded with the change, for operators, and never changed afterwards."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from actions import tenants as actions
from actions.installation import utc_now
from actions.principal import Principal
from models import retention
from models.audit import queries
from models.audit.tables import audit_log
from models.sql.engine import read, write
from models.tenants.queries import tenant_exists
from tests.factories import create_installation, create_token, create_users, expand_all
from tests.web.callers import Caller
from tests.web.test_dead_letters import Failure, kill
from web.auth import OPERATOR


def recorded(operator: Caller, query: str = "") -> list[tuple[str, str, str, str]]:
    records = operator.get(f"/v1/audit{query}").json["data"]
    return [(r["tenant"], f"{r['actor_kind']} {r['actor']}", r["action"], r["subject"]) for r in reversed(records)]


def test_each_change_is_recorded_with_who_made_it(service, operator, engine, api_key):
    create_users(engine, ["alice"], email=True, now=utc_now())
    sent = service.send().json["id"]
    expand_all(engine, UUID(sent), utc_now())
    kill(engine, "email", Failure.QUOTA)
    operator.post("/v1/operator/tenants", {"id": "nova"})
    operator.post("/v1/operator/tenants", {"id": "nova"})
    key = operator.post("/v1/operator/tenants/nova/keys", {"name": "shop"}).json
    operator.delete(f"/v1/operator/tenants/nova/keys/{key['prefix']}")
    redrive = service.post("/v1/dead-letters/redrive", {}).json["id"]
    service.post("/v1/dead-letters/redrive", {})
    for _ in range(2):
        service.delete(f"/v1/notifications/{sent}")
    service.put("/v1/topics/news", {"open": True})
    service.put("/v1/event-types/invoice:paid", {"title": "An invoice was paid"})
    service.delete("/v1/event-types/invoice:paid")
    service.delete("/v1/users/alice")
    ours, ops = f"service {api_key[:16]}", "operator ops"
    assert recorded(operator) == [
        ("nova", ops, "tenant.create", "nova"),
        ("nova", ops, "key.create", key["prefix"]),
        ("nova", ops, "key.revoke", key["prefix"]),
        ("acme", ours, "dead_letters.redrive", redrive),
        ("acme", ours, "notification.recall", sent),
        ("acme", ours, "topic.open", "news"),
        ("acme", ours, "event_type.declare", "invoice:paid"),
        ("acme", ours, "event_type.withdraw", "invoice:paid"),
        ("acme", ours, "user.delete", "alice"),
    ]
    assert [what for *_, what, _ in recorded(operator, "?tenant=nova&action=key.create")] == ["key.create"]
    assert key["key"] not in operator.get("/v1/audit").text


def test_a_record_says_from_where(operator):
    operator.post("/v1/operator/tenants", {"id": "nova", "name": "Nova"}, X_Request_Id="abc")
    [record] = operator.get("/v1/audit").json["data"]
    assert (record["ip"], record["request_id"], record["details"]) == ("127.0.0.1", "abc", {"name": "Nova"})


def test_records_are_paged_newest_first(operator):
    for number in range(5):
        operator.post("/v1/operator/tenants", {"id": f"t{number}"})
    seen, after = [], ""
    while True:
        page = operator.get(f"/v1/audit?limit=2{after}").json
        seen += [record["subject"] for record in page["data"]]
        if not page["page"]["has_more"]:
            break
        after = f"&after={page['page']['next']}"
    assert seen == ["t4", "t3", "t2", "t1", "t0"]
    assert operator.get("/v1/audit?after=x").status_code == 422


def test_an_operator_of_one_tenant_sees_its_records_only(client, settings, operator, tenant):
    operator.post("/v1/operator/tenants/acme/keys", {"name": "shop"})
    operator.post("/v1/operator/tenants", {"id": "nova"})
    own = Caller(client, create_token(settings, audience=OPERATOR, tenant=tenant))
    assert [what for _, _, what, _ in recorded(own)] == ["key.create"]
    assert own.get("/v1/audit?tenant=nova").status_code == 404


def test_a_change_that_fails_is_not_recorded_and_one_that_cannot_be_recorded_fails(engine, monkeypatch):
    installation = create_installation(engine)
    ann = Principal("operator", "*", "ann", "live")

    def broken(*_args, **_options):
        raise RuntimeError

    monkeypatch.setattr(queries, "append", broken)
    with pytest.raises(RuntimeError):
        actions.create_tenant(installation, ann, "nova", "Nova")
    with read(engine) as connection:
        assert not tenant_exists(connection, "nova")


def test_no_record_is_changed_and_old_ones_go_after_a_year(engine, operator):
    operator.post("/v1/operator/tenants", {"id": "nova"})
    with pytest.raises(DBAPIError), write(engine) as connection:
        connection.execute(update(audit_log).values(actor="nobody"))
    for days, left in ((364, 1), (366, 0)):
        now = utc_now() + timedelta(days=days)
        sum(retention.purge(engine, lambda now=now: now, timedelta(days=1)))
        assert len(operator.get("/v1/audit").json["data"]) == left


def test_commands_are_recorded_too(app, engine, tenant):
    run = app.test_cli_runner().invoke
    minted = run(args=["token", "--user", "alice", "--tenant", tenant]).output.strip()
    for words in (["purge", "--days", "7"], ["log", "new-epoch"], ["tenants", "weight", tenant, "2"]):
        assert run(args=words).exit_code == 0
    output = run(args=["audit", "--json"]).output
    records = json.loads(output)["data"]
    assert [record["action"] for record in records] == ["tenant.set_weight", "log.new_epoch", "purge", "token.mint"]
    assert {record["actor"].partition(":")[0] for record in records} == {"cli"}
    assert minted not in output
    assert "tenant.set_weight" in run(args=["audit"]).output
