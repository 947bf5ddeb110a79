"""The catalogue by HTTP and on the command line."""

from __future__ import annotations

import json

import pytest

from models.catalogue.source import built_in
from tests.web.callers import fields
from web.app import create_app

INVOICE = {
    "title": "An invoice was paid",
    "description": "By whomever.",
    "payload": {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"$ref": "#/$defs/id"}, "lines": {"type": "array", "items": {"type": "string"}}},
        "$defs": {"id": {"type": "string"}},
    },
    "rooms": ["user"],
    "priority": "high",
    "replay": False,
    "ttl": 60,
    "coalesce": {"window_ms": 200, "key": ["id"]},
}


def put(caller, name="invoice:paid", **other):
    return caller.put(f"/v1/event-types/{name}", INVOICE | other)


def test_a_type_is_declared_looked_up_and_withdrawn(service):
    made = put(service)
    assert made.status_code == 200
    assert made.json == INVOICE | {
        "name": "invoice:paid",
        "emitted_by": "server",
        "reserved": False,
        "declared_by": "tenant",
    }
    assert service.get("/v1/event-types/invoice:paid").json == made.json
    assert put(service, title="Paid").json["title"] == "Paid"
    assert service.delete("/v1/event-types/invoice:paid").json == {"deleted": True}
    assert service.delete("/v1/event-types/invoice:paid").status_code == 404
    assert service.get("/v1/event-types/invoice:paid").status_code == 404


def test_the_least_that_can_be_said(service):
    made = service.put("/v1/event-types/invoice:paid", {"title": "T"}).json
    assert (made["rooms"], made["priority"], made["replay"], made["ttl"]) == (["user", "tenant"], "normal", True, 3600)
    assert (made["payload"], made["coalesce"]) == ({}, None)


def test_the_list_holds_what_is_built_in_and_what_the_tenant_adds(service, stranger):
    put(service)
    put(service, "expense:created", title="Stricter")
    listed = {one["name"]: one for one in service.get("/v1/event-types").json["data"]}
    assert set(listed) == {*built_in(), "invoice:paid"}
    assert listed["expense:created"]["declared_by"] == "tenant"
    assert listed["expense:updated"]["declared_by"] == "carillon"
    assert listed["chat:send"]["emitted_by"] == "nobody"
    others = {one["name"]: one for one in stranger.get("/v1/event-types").json["data"]}
    assert set(others) == set(built_in())
    assert others["expense:created"]["declared_by"] == "carillon"
    assert stranger.get("/v1/event-types/invoice:paid").status_code == 404


def test_what_a_tenant_withdraws_is_what_it_was(service):
    put(service, "expense:created")
    assert service.get("/v1/event-types/expense:created").json["declared_by"] == "tenant"
    service.delete("/v1/event-types/expense:created")
    assert service.get("/v1/event-types/expense:created").json["declared_by"] == "carillon"
    assert service.delete("/v1/event-types/expense:created").status_code == 404


@pytest.mark.parametrize(
    ("name", "other", "field"),
    [
        ("plain", {}, "name"),
        ("chat:mine", {}, "name"),
        ("notification:new", {}, "name"),
        ("a:b", {"title": ""}, "title"),
        ("a:b", {"payload": {"type": "array"}}, "payload"),
        ("a:b", {"payload": {"$ref": "https://example.test/"}}, "payload"),
        ("a:b", {"payload": {"properties": {"a": {"pattern": "(a+)+"}}}}, "payload"),
        ("a:b", {"payload": {"properties": {"a": {"type": "x"}}}}, "payload"),
        ("a:b", {"payload": 5}, "payload"),
        ("a:b", {"rooms": []}, "rooms"),
        ("a:b", {"rooms": ["everywhere"]}, "rooms.0"),
        ("a:b", {"priority": "urgent"}, "priority"),
        ("a:b", {"ttl": 0}, "ttl"),
        ("a:b", {"ttl": "60"}, "ttl"),
        ("a:b", {"ttl": 30 * 86400 + 1}, "ttl"),
        ("a:b", {"coalesce": {"window_ms": 5}}, "coalesce.window_ms"),
        ("a:b", {"reserved": True}, "reserved"),
        ("a:b", {"emitted_by": "client"}, "emitted_by"),
    ],
)
def test_a_declaration_is_judged_at_the_door(service, name, other, field):
    refused = put(service, name, **other)
    assert refused.status_code == 422
    assert fields(refused) == [field]
    assert service.get(f"/v1/event-types/{name}").status_code == (200 if name == "notification:new" else 404)


def test_a_test_key_looks_and_changes_nothing(trial, service):
    assert put(trial).status_code == 403
    assert trial.delete("/v1/event-types/expense:created").status_code == 403
    assert trial.get("/v1/event-types").status_code == 200


def test_a_user_has_no_business_there(alice):
    assert alice.get("/v1/event-types").status_code == 403
    assert put(alice).status_code == 403


def test_the_types_of_the_installation_are_known_to_all(settings, api_key, tmp_path, bells):
    path = tmp_path / "types.toml"
    path.write_text('["invoice:paid"]\ntitle = "T"\n["expense:created"]\ntitle = "Ours"\n')
    app = create_app(settings.model_copy(update={"catalogue_file": path}))
    headers = {"Authorization": f"Bearer {api_key}"}
    listed = {e["name"]: e for e in app.test_client().get("/v1/event-types", headers=headers).json["data"]}
    assert listed["invoice:paid"]["declared_by"] == listed["expense:created"]["declared_by"] == "installation"
    event = {"audience": {"tenant": True}, "type": "invoice:paid", "data": {}}
    assert app.test_client().post("/v1/events", headers=headers, json=event).status_code == 202
    assert "invoice:paid" in json.dumps(app.test_client().get("/asyncapi.json").json)
    app.extensions["carillon"].engine.dispose()


# TypeScript


def test_typescript_by_http_has_the_types_of_the_tenant(service, stranger):
    put(service)
    answer = service.get("/v1/event-types.ts")
    assert answer.mimetype == "text/plain"
    assert '  NOTIFICATION_NEW: "notification:new",\n' in answer.text
    assert '  INVOICE_PAID: "invoice:paid",\n' in answer.text
    assert '  "invoice:paid": { id: string; lines?: Array<string>; [member: string]: unknown };\n' in answer.text
    assert "INVOICE_PAID" not in stranger.get("/v1/event-types.ts").text


def test_the_same_on_the_command_line(app, service):
    put(service)
    run = app.test_cli_runner().invoke
    plain = run(args=["catalogue", "typescript"])
    assert plain.exit_code == 0
    assert "NOTIFICATION_NEW" in plain.output
    assert "INVOICE_PAID" not in plain.output
    assert run(args=["catalogue", "typescript", "--tenant", "acme"]).output == service.get("/v1/event-types.ts").text
    missing = run(args=["catalogue", "typescript", "--tenant", "nobody"])
    assert (missing.exit_code, "there is no tenant nobody" in missing.output) == (1, True)
    listed = json.loads(run(args=["catalogue", "list", "--json"]).output)
    assert {one["name"] for one in listed} == set(built_in())
    assert "notification:new" in run(args=["catalogue", "list"]).output
