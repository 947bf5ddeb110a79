from __future__ import annotations

import time

import pytest

from config.settings import Settings, SettingsError
from models.catalogue.event_type import Declaration, EventType, bounded_key
from models.catalogue.queries import TooManyTypes, all_types, declare, declared, find, withdraw
from models.catalogue.schema import MAX_SUBSCHEMAS, payload_errors, schema_errors
from models.catalogue.source import CatalogueError, built_in, client_events, declaration_errors, shared
from models.catalogue.tables import event_types
from models.sql.engine import read, write
from tests.factories import NOW, create_tenant

# By domain, as the documents of the known systems have them.
NAMES = {
    "expense": ["created", "updated", "deleted"],
    "expenses": ["bulk-deleted"],
    "goal": ["created", "achieved", "deleted"],
    "milestone": ["completed"],
    "budget": ["warning", "exceeded"],
    "member": ["joined", "left", "role-changed"],
    "sync": ["completed"],
    "error": ["occurred"],
    "notification": ["created", "new", "read", "read_all", "deleted", "count"],
    "alert": ["new", "acknowledged", "deleted", "count"],
    "presence": ["online", "offline", "away", "busy"],
    "stream": ["data", "task_update", "pond_update", "expense_update"],
    "chat": ["send", "read", "delivered", "typing", "edit", "delete", "message", "presence", "error"],
    "chat:conversation": ["create", "join", "created"],
    "chat:message": ["sent", "delivered", "read", "edited", "deleted"],
    "chat:typing": ["start", "stop"],
    "sns": ["publish_start", "publish_started", "publish_success", "publish_failed", "post_liked", "post_commented"],
    "orders": ["order_updated", "shipment_update", "delivery_confirmed"],
}


# What is built in


@pytest.mark.parametrize("name", [f"{d}:{a}" for d, actions in NAMES.items() for a in actions])
def test_every_name_of_the_known_systems_is_there_verbatim(name):
    assert {**client_events(), **built_in()}[name].name == name


def test_what_is_built_in_passes_our_own_judgement():
    for type_ in built_in().values():
        assert schema_errors(type_.payload) == [], type_.name
        if not type_.reserved:
            assert (
                declaration_errors(type_.name, Declaration(**type_.model_dump(include=set(Declaration.model_fields))))
                == []
            )


@pytest.mark.parametrize("name", ["chat:message", "notification:new", "session:ready", "chat:send", "presence:online"])
def test_what_carillon_tells_itself_is_reserved(name):
    assert built_in()[name].reserved


@pytest.mark.parametrize(
    ("name", "payload", "valid"),
    [
        ("stream:task_update", {"task_id": "t1", "status": "done", "updated_by": "bob"}, True),
        ("stream:task_update", {"task_id": "t1"}, False),
        ("stream:pond_update", {"pond_id": 7, "field": "oxygen", "value": 5.1, "timestamp": "2026"}, True),
        ("stream:pond_update", {"pond_id": 7, "value": 5.1}, False),
        ("expense:deleted", {"id": 1}, True),
        ("expense:deleted", {}, False),
        ("budget:exceeded", {"message": "100 of 90 spent"}, True),
        ("budget:exceeded", {"message": 5}, False),
        ("sns:publish_success", {"post_id": 123, "platforms": ["x"], "timestamp": "2026", "message": "!"}, True),
        ("sns:publish_success", {"post_id": 123, "platforms": "x"}, False),
        ("goal:achieved", {"anything": [1, 2]}, True),
    ],
)
def test_payloads_are_held_against_the_catalogue(name, payload, valid):
    assert (payload_errors(built_in()[name].payload, payload) == []) is valid


# Schemas of others


def test_faults_of_a_payload_say_where_and_what_but_not_everything():
    schema = {"properties": {"list": {"items": {"type": "integer"}}}}
    assert payload_errors(schema, {"list": [1, "x"]}) == [("list.1", '"x" is not of type "integer"')]
    many = payload_errors(schema, {"list": ["x" * 5000] * 50})
    assert len(many) == 10
    assert all(len(what) <= 200 for _, what in many)


@pytest.mark.parametrize(
    ("schema", "fault"),
    [
        ({"type": "array"}, 'type must be "object"'),
        ({"type": 5}, 'type must be "object"'),
        ({"properties": {"a": {"type": "nothing"}}}, "is not valid under any of the schemas listed"),
        ({"required": "a"}, "required"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "$schema must be"),
        ({"$ref": "https://example.test/schema.json"}, "$ref must lead to a schema of the same declaration"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "$ref must lead"),
        ({"properties": {"a": {"$ref": "#/$defs/gone"}}}, "$ref must lead"),
        ({"properties": {"a": {"$ref": "#/properties"}}}, "$ref must lead"),
        ({"$ref": "#"}, "$ref must lead"),
        ({"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}, "must not contain itself"),
        ({"$ref": "#/$defs/a%62", "$defs": {"ab": {"pattern": "(a+)+$"}, "a%62": {}}}, "$ref must lead"),
        ({"$ref": "#/$defs/a%25b", "$defs": {"a%25b": {}}}, "$ref must lead"),
        ({"$defs": {"unused": {"pattern": "(a+)+$"}}}, "pattern may be used"),
        ({"$id": "https://example.test/"}, "$id is not supported"),
        ({"properties": {"a": {"$dynamicRef": "#x"}}}, "$dynamicRef is not supported"),
        ({"properties": {"a": {"pattern": "(a+)+$"}}}, "pattern may be used in CARILLON_CATALOGUE_FILE only"),
        ({"patternProperties": {"(a+)+$": {}}}, "patternProperties may be used"),
        ({"description": "x" * 8200}, "must not exceed 8192 bytes"),
        ({"x": "\x00"}, "NUL"),
    ],
)
def test_a_schema_is_judged_when_it_is_declared(schema, fault):
    [found] = schema_errors(schema)
    assert fault in found


def test_who_runs_the_server_may_use_expressions_that_take_linear_time():
    schema = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    assert schema_errors(schema, trusted=True) == []
    began = time.thread_time()
    [(where, _)] = payload_errors(schema, {"a": "a" * 5000 + "b"})
    assert where == "a"
    assert time.thread_time() - began < 2
    for bad in ("(", "(" * 900, "a{100000000000000000000}", "(a{1000}){1000}", "a(?=b)"):
        [fault] = schema_errors({"properties": {"a": {"pattern": bad}}}, trusted=True)
        assert 'is not a "regex"' in fault or len(fault) == 200


def test_references_cannot_be_multiplied_into_a_flood():
    doubling = {str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(40)}
    began = time.thread_time()
    [fault] = schema_errors({"$defs": {**doubling, "40": {}}, "$ref": "#/$defs/0"})
    assert str(MAX_SUBSCHEMAS) in fault
    assert time.thread_time() - began < 2


@pytest.mark.parametrize(
    "costly",
    [
        {"allOf": [{"type": "integer"}] * 250},
        {"contains": {"oneOf": [{"type": "string", "minLength": 3}] * 250}},
        {"uniqueItems": True},
        {"required": [f"n{n}" for n in range(900)]},
        {"enum": [*range(1500)]},
        {"const": [0] * 3000},
        {"anyOf": [{"unevaluatedItems": {"type": "integer"}}] * 120},
    ],
)
def test_no_schema_and_no_payload_keep_a_process_busy(costly):
    schema = {"properties": {"lists": {"items": costly}}}
    assert schema_errors(schema) == []
    began = time.thread_time()
    # As many values as a payload can hold.
    for data in ([["x"] * 1000] * 2, [[n] for n in range(1500)], [{}] * 2000):
        assert payload_errors(schema, {"lists": data}) is not None
    assert time.thread_time() - began < 2


def test_a_schema_that_should_not_have_been_taken_refuses_payloads_and_raises_nothing():
    [(where, fault)] = payload_errors({"properties": {"a": {"$ref": "#/$defs/a%25b"}}}, {"a": 1})
    assert (where, "declare the type again" in fault) == ("", True)


def test_a_reference_within_the_schema_works():
    schema = {"$defs": {"id": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/id"}}}
    assert schema_errors(schema) == []
    assert payload_errors(schema, {"a": 1}) == [("a", '1 is not of type "string"')]


# Names


@pytest.mark.parametrize("name", ["invoice:paid", "a:b:c", "Order.Line:status-Changed_2", "x" * 31 + ":" + "y" * 32])
def test_a_domain_and_an_action_make_a_name(name):
    assert declaration_errors(name, Declaration(title="T")) == []


@pytest.mark.parametrize(
    "name", ["", "plain", ":a", "a:", "a b:c", "1a:b", "a:b\n", "ä:b", "x" * 32 + ":" + "y" * 32, "__proto__:x"]
)
def test_anything_else_is_none(name):
    [(field, fault)] = declaration_errors(name, Declaration(title="T"))
    assert (field, "domain:action" in fault) == ("name", True)


@pytest.mark.parametrize("name", ["chat:mine", "notification:mine", "session:x", "auth:x", "sns:publish_start"])
def test_reserved_names_cannot_be_declared(name):
    assert declaration_errors(name, Declaration(title="T")) == [("name", "is reserved by Carillon")]


# Keys and times


def test_a_key_is_made_of_what_the_paths_lead_to():
    type_ = EventType(name="a:b", title="T", coalesce={"window_ms": 100, "key": ["order.id", "field"]})
    assert type_.key_of({"order": {"id": 7}, "field": "x"}) == '[7,"x"]'
    assert type_.key_of({"order": [], "field": {"b": 1, "a": 2}}) == '[null,{"a":2,"b":1}]'
    assert type_.key_of({}) == "[null,null]"
    assert len(bounded_key("x" * 5000)) == 64


def test_what_is_not_for_replay_is_kept_for_seconds_only():
    assert (EventType(name="a:b", title="T", ttl=3600).expires_at(NOW) - NOW).total_seconds() == 3600
    assert (EventType(name="a:b", title="T", ttl=3600, replay=False).expires_at(NOW) - NOW).total_seconds() == 30


# The operator's file

TOML = """
["invoice:paid"]
title = "An invoice was paid"
rooms = ["user"]
priority = "high"
payload.required = ["id"]
payload.properties.number.pattern = "^[0-9]+$"

["expense:created"]
title = "Stricter than usual"
payload.required = ["id", "amount"]
"""


def test_a_file_adds_types_and_replaces_some(tmp_path):
    (tmp_path / "types.toml").write_text(TOML)
    catalogue = shared(tmp_path / "types.toml")
    assert set(catalogue) - set(built_in()) == {"invoice:paid"}
    assert catalogue["invoice:paid"].lane == 1
    assert catalogue["expense:created"].payload["required"] == ["id", "amount"]
    assert "required" not in built_in()["expense:created"].payload


def test_a_bad_file_is_refused_with_all_that_is_wrong(tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text('["chat:mine"]\ntitle="T"\n["a:b"]\nttl=0\n["c:d"]\ntitle="T"\npayload.type="array"\n')
    with pytest.raises(CatalogueError) as caught:
        shared(bad)
    for line in ("chat:mine: name: is reserved", "a:b: title: Field required", "a:b: ttl: ", "c:d: payload: type must"):
        assert line in str(caught.value)


@pytest.mark.parametrize("text", ["[", "a = " + "[" * 99999])
def test_a_file_that_is_no_catalogue_is_refused(tmp_path, text):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(CatalogueError, match=r"a\.toml"):
        shared(tmp_path / "a.toml")


def test_the_settings_fail_at_the_start_with_what_is_wrong_with_the_file(tmp_path):
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(TOML)
    bad.write_text("[a]\n")
    assert Settings.from_env({"CARILLON_CATALOGUE_FILE": str(good)}).catalogue_file == good
    for path in (bad, tmp_path / "gone.toml"):
        with pytest.raises(SettingsError, match="CARILLON_CATALOGUE_FILE"):
            Settings.from_env({"CARILLON_CATALOGUE_FILE": str(path)})


# What tenants declare


@pytest.fixture
def tenants(engine):
    create_tenant(engine)
    create_tenant(engine, "umbrella")


def put(engine, name, tenant="acme", **fields):
    with write(engine) as connection:
        return declare(connection, tenant, name, Declaration(**({"title": "T"} | fields)), NOW, most=3)


def look(engine, name, tenant="acme"):
    with read(engine) as connection:
        return find(connection, tenant, name, built_in())


def test_a_declaration_holds_for_its_tenant_only(engine, tenants):
    payload = {"required": ["id"], "$defs": {"a": {"maximum": 1.5}}}
    assert put(engine, "invoice:paid", payload=payload, ttl=60, coalesce={"window_ms": 100})
    found = look(engine, "invoice:paid")
    assert (found.payload, found.ttl, found.coalesce.window_ms, found.reserved) == (payload, 60, 100, False)
    assert look(engine, "invoice:paid", "umbrella") is None
    with read(engine) as connection:
        assert [t.name for t in declared(connection, "acme")] == ["invoice:paid"]
        assert len(all_types(connection, "acme", built_in())) == len(built_in()) + 1


def test_a_later_declaration_replaces_the_earlier_one(engine, tenants):
    assert put(engine, "invoice:paid", title="One")
    assert not put(engine, "invoice:paid", title="Two")
    assert look(engine, "invoice:paid").title == "Two"


def test_a_tenant_may_be_stricter_than_what_is_built_in(engine, tenants):
    put(engine, "expense:created", payload={"required": ["amount"]})
    assert look(engine, "expense:created").payload == {"required": ["amount"]}
    with write(engine) as connection:
        assert withdraw(connection, "acme", "expense:created")
        assert not withdraw(connection, "acme", "expense:created")
    assert look(engine, "expense:created") == built_in()["expense:created"]


def test_a_reserved_type_cannot_be_replaced_by_a_row(engine, tenants):
    put(engine, "chat:message")
    assert look(engine, "chat:message") == built_in()["chat:message"]


def test_the_number_of_types_is_bounded(engine, tenants):
    rows = [
        {"tenant_id": "acme", "name": f"a:b{n}", "declaration": {"title": "T"}, "created_at": NOW, "updated_at": NOW}
        for n in range(3)
    ]
    with write(engine) as connection:
        connection.execute(event_types.insert(), rows)
    with pytest.raises(TooManyTypes):
        put(engine, "one:more")
    assert not put(engine, "a:b1", title="Known ones may still change")
    assert put(engine, "one:more", tenant="umbrella")
