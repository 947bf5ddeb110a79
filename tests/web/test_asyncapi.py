"""/asyncapi.json is AsyncAPI 3, and says of every event what the catalogue does."""

from __future__ import annotations

import ast
import gzip
import json
import re
from pathlib import Path
from typing import get_args

import pytest
from jsonschema import Draft7Validator

from bus.envelope import DIRECT_MESSAGE
from bus.presence import Status
from models.catalogue.event_type import EventType
from models.catalogue.source import built_in, client_events, connection_events
from web.asyncapi import document
from web.dialects import DIALECTS, view_of
from web.dialects.canonical import REQUESTS

# The schema of @asyncapi/specs 6.11.1 (schemas/3.0.0-without-$id.json, Apache-2.0, © AsyncAPI Initiative), packed.
SCHEMA = Path(__file__).with_name("asyncapi-3.0.0.schema.json.gz")


EVERY = [*built_in().values(), *connection_events().values(), *client_events().values()]


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


# Where events of the server are emitted. The handlers have the names that clients send.
EMITTING = (
    *("actions", "bus", "channels", "models/alerts", "models/conversations", "models/deliveries", "models/events"),
    *("models/inbox", "models/messages"),
)
RESERVED = re.compile(r"(?:alert|chat|event|notification|presence|session)(?::[a-z_]+)+")


def emitted() -> set[str]:
    """The names of the events that the code emits by itself."""
    paths = [path for part in (*EMITTING, "web/realtime") for path in Path(part).rglob("*.py")]
    paths = [path for path in (*paths, Path("web/dialects/render.py")) if "handlers" not in path.parts]
    trees = [ast.parse(path.read_text()) for path in paths]
    found: set[str] = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if RESERVED.fullmatch(node.value) or node.value == DIRECT_MESSAGE:
                found.add(node.value)
            elif "event = 'presence:' .. state" in node.value:
                found |= {f"presence:{state}" for state in ("offline", *get_args(Status))}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("send_unlogged"):
            found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return {name for name in found if name not in client_events() or name in built_in()}


def test_what_the_code_emits_is_listed_and_nothing_else():
    said = document(EVERY, "https://bells.example.test/")
    listed = _listed(said, "send", "canonical")
    published = {name for name, type_ in built_in().items() if not type_.reserved}
    assert listed - published == emitted()
    assert published <= listed
    assert not {name for name in listed if name.startswith("chat:presence")}
    for channel, described in said["channels"].items():
        view = view_of(described["address"], "canonical")
        here = {name for type_ in EVERY if type_.emitted_by == "server" for name, _ in view.translate(type_.name, {})}
        # Canonical clients get no errors as events; those of other dialects on "/" do.
        assert _listed(said, "send", channel) == here | ({"error"} if channel == "canonical" else set())


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
