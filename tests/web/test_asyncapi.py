"""/asyncapi.json is AsyncAPI 3, and says of every event what the catalogue does."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator

from models.catalogue.event_type import EventType
from models.catalogue.source import built_in, client_events
from web.asyncapi import document
from web.dialects import DIALECTS, view_of
from web.dialects.canonical import REQUESTS

# The schema of @asyncapi/specs 6.11.1 (schemas/3.0.0-without-$id.json, Apache-2.0, © AsyncAPI Initiative), packed.
SCHEMA = Path(__file__).with_name("asyncapi-3.0.0.schema.json.gz")


EVERY = [*built_in().values(), *client_events().values()]


@pytest.fixture(scope="module")
def standard() -> Draft7Validator:
    return Draft7Validator(json.loads(gzip.decompress(SCHEMA.read_bytes())))


def faults(standard, said) -> list[str]:
    return [f"{list(error.absolute_path)}: {error.message[:200]}" for error in standard.iter_errors(said)]


def references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def follow(said, reference):
    for step in reference.removeprefix("#/").split("/"):
        said = said[step.replace("~1", "/").replace("~0", "~")]
    return said


def message_of(said, reference):
    message = follow(said, reference)
    return follow(said, message["$ref"]) if "$ref" in message else message


def test_the_standard_would_notice(standard):
    said = document(EVERY, "https://example.test")
    del said["info"]
    assert faults(standard, said)


@pytest.fixture(scope="module", params=["built in", "odd ones"])
def said(request):
    if request.param == "built in":
        return document(EVERY, "https://bells.example.test/carillon")
    schema = {"$defs": {"a/b": {"type": "string"}}, "properties": {"x": {"$ref": "#/$defs/a~1b"}, "y": {"items": True}}}
    odd = [
        EventType(name="Odd.One:a-b:c_d", title="T", description="D", payload=schema, coalesce={"window_ms": 50}),
        EventType(name="sns:only", title="T", payload={"type": "object", "additionalProperties": False}),
        EventType(name="said:back", title="T", emitted_by="client"),
        EventType(name="kept:name", title="T", emitted_by="nobody"),
    ]
    return document(odd, "http://127.0.0.1:8000")


def test_the_document_is_asyncapi(standard, said):
    assert faults(standard, said) == []


def test_every_reference_leads_somewhere(said):
    for reference in references(said):
        assert follow(said, reference) is not None


def test_it_is_served(app):
    answer = app.test_client().get("/asyncapi.json")
    assert (answer.status_code, answer.json["asyncapi"]) == (200, "3.0.0")


def _listed(said, action, channel):
    operation = said["operations"].get(f"{action}{channel.title()}", {"messages": []})
    return {message_of(said, reference["$ref"])["name"] for reference in operation["messages"]}


def test_clients_can_send_exactly_what_is_listed(app):
    said = app.test_client().get("/asyncapi.json").json
    handled = app.extensions["carillon.gateway"].handled
    for channel, described in said["channels"].items():
        view = view_of(described["address"], "canonical")
        listed = _listed(said, "receive", channel)
        assert {view.request(name).operation for name in listed} == handled
        aliases = {*REQUESTS, *DIALECTS[view.dialect].requests.get(view.namespace, {})}
        assert listed == handled | aliases


def test_the_server_can_send_every_event_that_is_listed():
    code = "".join(path.read_text() for part in ("actions", "models", "web") for path in Path(part).rglob("*.py"))
    said = document(EVERY, "https://bells.example.test/")
    listed = _listed(said, "send", "canonical")
    reserved = {name for name in listed if built_in()[name].reserved}
    named = {name for name in reserved if f'"{name}"' in code}
    # This name is built from the status.
    presence = {f"presence:{status}" for status in ("online", "offline", "away", "busy")}
    assert reserved - named - presence == set()
    assert listed - reserved == {name for name, type_ in built_in().items() if not type_.reserved}
    assert not {name for name in listed if name.startswith("chat:")}


@pytest.mark.parametrize(
    ("space", "channel", "names"),
    [
        ("/alert", "alert", {"alert:new", "alert:acknowledged", "alert:deleted", "alert:count"}),
        ("/presence", "presence", {"presence:online", "presence:offline", "presence:away", "presence:busy"}),
        ("/stream", "stream", {f"stream:{a}" for a in ("data", "task_update", "pond_update", "expense_update")}),
        ("/orders", "orders", {"order_updated", "shipment_update", "delivery_confirmed"}),
        ("/notifications", "notifications", {"notification", "notification_read", "notification_deleted"}),
        ("/chat", "chat", {"user_online", "user_offline"}),
        (
            "/sns",
            "sns",
            {"publish_started", "publish_success", "publish_failed", "post_liked", "post_commented", "publish_start"}
            | {"user_online", "user_offline"},
        ),
    ],
)
def test_the_namespaces_of_known_systems_have_their_part(space, channel, names):
    said = document(EVERY, "https://bells.example.test/")
    there = said["channels"][channel]
    assert there["address"] == space
    assert names <= {message_of(said, f"#/channels/{channel}/messages/{id_}")["name"] for id_ in there["messages"]}


def test_a_message_says_how_it_travels():
    said = document(EVERY, "https://bells.example.test/")
    message = said["components"]["messages"]["stream.pond_update"]
    assert message["x-coalesce"] == {"window_ms": 100, "key": ["pond_id", "field"]}
    assert (message["x-ttl"], message["x-replay"], message["x-rooms"]) == (3600, True, ["user", "tenant"])
    schema = said["components"]["schemas"]["stream.pond_update"]
    assert {"pond_id", "room", "seq"} <= set(schema["properties"])


def test_the_server_is_where_clients_find_it():
    for url, host, protocol in [
        ("https://bells.example.test/", "bells.example.test", "wss"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "ws"),
    ]:
        server = document([], url)["servers"]["here"]
        assert (server["host"], server["protocol"]) == (host, protocol)
