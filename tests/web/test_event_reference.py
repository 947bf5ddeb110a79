"""/docs/events shows the whole AsyncAPI document, and whatever is declared as text."""

from __future__ import annotations

import re

import pytest

from models.catalogue.event_type import EventType
from models.catalogue.source import built_in, client_events
from web.asyncapi import document
from web.documentation.event_reference import reference
from web.documentation.schema_table import Member

URL = "https://bells.example.test"


def shown(**declared):
    """The one event of a document, as the page shows it."""
    [[event]] = reference(document([EventType(name="a:b", title="T", **declared)], URL))["domains"].values()
    return event


def members(payload):
    return [member for member in shown(payload=payload).members if member.path not in ("room", "seq")]


def test_every_event_has_an_anchor_its_direction_and_a_link(client):
    page = client.get("/docs/events").text
    links = re.findall(r'href="#([^"]+)"', page)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(links) <= set(ids)
    sent = [type_ for type_ in built_in().values() if type_.emitted_by == "server"]
    for type_ in [*sent, *client_events().values()]:
        name, from_server = type_.name, type_.emitted_by == "server"
        id_ = ("" if from_server else "client.") + name.replace(":", ".")
        [article] = re.findall(rf'<article id="{re.escape(id_)}".*?</article>', page, re.DOTALL)
        assert f"<code>{name}</code>" in article
        assert ("Sent by the server" in article) == from_server
        assert links.count(id_) >= 2


def test_every_namespace_lists_its_names(client):
    page = client.get("/docs/events").text
    for space, name in [("sns", "post_liked"), ("orders", "order_updated"), ("notifications", "notification_read")]:
        [part] = re.findall(rf'<details id="namespace-{space}".*?</details>', page, re.DOTALL)
        assert f"<code>/{space}</code>" in part
        assert f"<code>{name}</code>" in part


def test_names_in_other_dialects_are_listed():
    names = {(n["dialect"], n["namespace"], n["name"]) for n in _built_in("notification:new").names}
    assert names == {
        ("hub", "/notification", "notification:new"),
        ("ns4", "/notifications", "notification"),
        ("tenant", "/", "notification:created"),
        ("simple", "/", "notification"),
    }
    assert [n["name"] for n in _built_in("sns:publish_start").names] == ["publish_start"]


def _built_in(name):
    domains = reference(document([*built_in().values(), *client_events().values()], URL))["domains"]
    [event] = [event for events in domains.values() for event in events if event.name == name]
    return event


@pytest.mark.parametrize(
    ("schema", "type_", "values"),
    [
        ({"type": "string", "format": "date-time"}, "string (date-time)", []),
        ({"type": ["string", "null"]}, "string or null", []),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer, at least 1, at most 9", []),
        ({"type": "array", "items": {"type": "string"}, "maxItems": 5}, "array of string, at most 5 items", []),
        ({"enum": ["x", 1, None]}, "one of", ["x", "1", "null"]),
        ({"const": True}, "always", ["true"]),
        ({"anyOf": [{"enum": ["x", "y"]}, {"type": "null"}]}, "null or one of", ["x", "y"]),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string or integer", []),
        ({}, "any", []),
        (True, "any", []),
    ],
)
def test_a_schema_becomes_words(schema, type_, values):
    assert members({"properties": {"a": schema}}) == [Member("a", type_, values, False, "")]


def test_members_of_members_and_references_are_rows_of_their_own():
    payload = {
        "$defs": {"line": {"properties": {"sku": {"type": "string", "description": "D"}}, "required": ["sku"]}},
        "properties": {"order": {"properties": {"lines": {"type": "array", "items": {"$ref": "#/$defs/line"}}}}},
    }
    rows = [(member.path, member.type, member.required) for member in members(payload)]
    assert rows == [
        ("order", "object", False),
        ("order.lines", "array of object", False),
        ("order.lines[].sku", "string", True),
    ]


def test_a_schema_that_refers_to_itself_ends():
    payload = {
        "$defs": {"node": {"properties": {"next": {"$ref": "#/$defs/node"}}}, "loop": {"$ref": "#/$defs/loop"}},
        "properties": {"node": {"$ref": "#/$defs/node"}, "loop": {"$ref": "#/$defs/loop"}},
    }
    assert "node.next.next.next" in {member.path for member in members(payload)}


def test_an_event_says_how_long_it_is_replayed_and_how_it_is_coalesced():
    event = shown(ttl=7200, coalesce={"window_ms": 50, "key": ["x"]})
    assert (event.kept, event.coalesced) == ("2 hours", "50 ms per x")
    assert shown(replay=False).kept == ""


def test_what_is_declared_is_shown_as_text(app):
    hostile = "<script>document.title='owned'</script>"
    declared = EventType(
        name="a:b", title=hostile, description=hostile, payload={"properties": {hostile: {"const": hostile}}}
    )
    with app.test_request_context():
        page = app.jinja_env.get_template("events.html").render(**reference(document([declared], URL)))
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 4
