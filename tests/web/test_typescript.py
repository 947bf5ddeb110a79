from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest

from config.settings import Settings
from models.catalogue.event_type import EventType
from models.catalogue.source import built_in, client_events
from tests.databases import ROOT
from tests.workspace import install_workspace
from web.app import create_app
from web.typescript import constant_of, render


def payload_of(schema: dict[str, Any]) -> str:
    [line] = re.findall(r'^  "a:b": (.*);$', render([EventType(name="a:b", title="T", payload=schema)]), re.MULTILINE)
    return line


@pytest.mark.parametrize(
    ("schema", "type_"),
    [
        ({}, "{ [member: string]: unknown }"),
        ({"additionalProperties": False}, "Record<string, never>"),
        ({"properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}, "{ a: number }"),
        ({"properties": {"a-b": {}}, "additionalProperties": False}, '{ "a-b"?: unknown }'),
        ({"properties": {"a": {"enum": ["x", 1, None]}}, "additionalProperties": False}, '{ a?: "x" | 1 | null }'),
        ({"properties": {"a": {"const": True}}, "additionalProperties": False}, "{ a?: true }"),
        (
            {"properties": {"a": {"type": ["string", "integer", "number"]}}, "additionalProperties": False},
            "{ a?: string | number }",
        ),
        (
            {"properties": {"a": {"type": "array", "items": {"type": "null"}}}, "additionalProperties": False},
            "{ a?: Array<null> }",
        ),
        (
            {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "boolean"}]}}, "additionalProperties": False},
            "{ a?: (string) | (boolean) }",
        ),
        (
            {"$defs": {"i": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/i"}}},
            "{ a?: string; [member: string]: unknown }",
        ),
        ({"properties": {"a": True}, "additionalProperties": False}, "{ a?: unknown }"),
    ],
)
def test_a_schema_becomes_a_type(schema, type_):
    assert payload_of(schema) == type_


@pytest.mark.parametrize(
    ("name", "constant"),
    [
        ("notification:read_all", "NOTIFICATION_READ_ALL"),
        ("member:role-changed", "MEMBER_ROLE_CHANGED"),
        ("chat:message:sent", "CHAT_MESSAGE_SENT"),
    ],
)
def test_a_name_becomes_a_constant(name, constant):
    assert constant_of(name) == constant


def test_names_that_come_to_one_constant_are_told_apart():
    text = render([EventType(name=name, title="T") for name in ("a:b-c", "a:b_c", "a:b.c")])
    assert re.findall(r'^  (A_\w+): "(.*)",$', text, re.MULTILINE) == [
        ("A_B_C", "a:b-c"),
        ("A_B_C_2", "a:b.c"),
        ("A_B_C_3", "a:b_c"),
    ]


def test_a_title_cannot_end_its_comment():
    text = render([EventType(name="a:b", title="*/ evil(); /*\nmore")])
    assert "/** * / evil(); /* more */" in text


def test_every_built_in_type_has_its_constant_and_its_payload():
    text = render(built_in().values())
    for name, type_ in {**built_in(), **client_events()}.items():
        if type_.emitted_by == "nobody":
            continue
        assert f': "{name}",\n' in text
        assert f'  "{name}": {{' in text
        part = text.partition("WS_CLIENT_EVENTS")
        assert (f': "{name}",\n' in part[2]) == (name in client_events())
    assert text.count("{") == text.count("}")


def test_the_client_has_the_events_of_the_built_in_catalogue():
    # If it does not: make types
    assert (ROOT / "clients/js/src/events.ts").read_text() == render(built_in().values())


@pytest.fixture
def generator() -> list[str]:
    """The command that turns an OpenAPI document into TypeScript. Skips without Node; in CI that is a failure."""
    install_workspace()
    return ["node", "clients/codegen/generate.mjs"]


def generated(generator: list[str], document: dict[str, Any]) -> str:
    return subprocess.run(
        generator, cwd=ROOT, input=json.dumps(document), capture_output=True, text=True, check=True, timeout=60
    ).stdout


@pytest.fixture
def openapi() -> dict[str, Any]:
    """The document, which needs no database."""
    document = create_app(Settings.from_env({})).test_client().get("/openapi.json").json
    assert isinstance(document, dict)
    return document


def test_the_client_has_the_types_of_the_api(openapi, generator):
    # If it does not: make types
    assert (ROOT / "clients/js/src/openapi.ts").read_text() == generated(generator, openapi)


def test_a_renamed_member_of_the_api_would_be_noticed(openapi, generator):
    members = openapi["components"]["schemas"]["ItemView"]["properties"]
    members["heading"] = members.pop("title")
    module = generated(generator, openapi)
    assert "heading?: string" in module
    assert module != (ROOT / "clients/js/src/openapi.ts").read_text()


def test_other_words_in_the_documentation_change_no_type(openapi, generator):
    openapi["components"]["schemas"]["ItemView"]["description"] = "Something else. */"
    assert generated(generator, openapi) == (ROOT / "clients/js/src/openapi.ts").read_text()
