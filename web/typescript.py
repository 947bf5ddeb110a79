"""The catalogue as TypeScript: constants of the names, and types of the payloads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from models.catalogue.event_type import EventType
from models.catalogue.source import client_events, connection_events

_HEADER = """// Generated from Carillon's catalogue of event types. Do not edit: run bin/carillon catalogue typescript.

"""
_FOOTER = """
export type WsEvent = keyof WsPayloads;

/** The members that every payload has. */
export interface WsPlace {
  /** The room of the event, and its number in the room. They order events and identify repetitions. */
  room: string;
  seq: number;
}
"""
_SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
# A deeper type is of no use to readers.
_DEEPEST = 8


def render(types: Iterable[EventType]) -> str:
    """A module with WS_EVENTS, WS_CLIENT_EVENTS and the types WsPayloads, WsRequests, WsEvent and WsPlace."""
    known = sorted([*types, *connection_events().values()], key=lambda type_: type_.name)
    received = [type_ for type_ in known if type_.emitted_by == "server"]
    sent = [client_events()[name] for name in sorted(client_events())]
    parts = [
        _HEADER,
        "/** The events that the server sends. */\n",
        _constants("WS_EVENTS", received),
        "\n/** The events that clients send. */\n",
        _constants("WS_CLIENT_EVENTS", sent),
        "\n/** The payload of each event of the server. */\nexport interface WsPayloads {\n",
        *map(_payload, received),
        "}\n\n/** The payload of each event of clients. */\nexport interface WsRequests {\n",
        *map(_payload, sent),
        "}\n",
        _FOOTER,
    ]
    return "".join(parts)


def _payload(type_: EventType) -> str:
    return f"{_doc(type_)}  {json.dumps(type_.name)}: {_type(type_.payload, type_.payload, 1)};\n"


def constant_of(name: str) -> str:
    """notification:read_all -> NOTIFICATION_READ_ALL"""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def _constants(title: str, types: list[EventType]) -> str:
    named: dict[str, str] = {}
    for type_ in types:
        constant = constant_of(type_.name)
        # Two names can give the same constant. The later ones get a number.
        number = 2
        while constant in named:
            constant, number = f"{constant_of(type_.name)}_{number}", number + 1
        named[constant] = type_.name
    lines = "".join(f"  {constant}: {json.dumps(name)},\n" for constant, name in named.items())
    return f"export const {title} = {{\n{lines}}} as const;\n"


def _doc(type_: EventType) -> str:
    # A declaration is the text of a tenant, and must not end the comment.
    return f"  /** {' '.join(type_.title.split()).replace('*/', '* /')} */\n"


def _type(schema: Any, root: Mapping[str, Any], depth: int) -> str:
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return "unknown"
    if "$ref" in schema:
        return _type(root.get("$defs", {}).get(schema["$ref"].removeprefix("#/$defs/")), root, depth + 1)
    if "const" in schema:
        return _literal(schema["const"])
    if "enum" in schema:
        return " | ".join(map(_literal, schema["enum"])) or "never"
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            return " | ".join(f"({_type(one, root, depth + 1)})" for one in schema[keyword])
    kinds = schema.get("type", "object" if "properties" in schema or depth == 1 else None)
    if kinds is None:
        return "unknown"
    each = [_of_kind(kind, schema, root, depth) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
    return " | ".join(dict.fromkeys(each))


def _of_kind(kind: str, schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> str:
    if kind == "array":
        return f"Array<{_type(schema.get('items'), root, depth + 1)}>"
    if kind != "object":
        return _SIMPLE[kind]
    required = schema.get("required", ())
    members = [
        f"{_member(name)}{'' if name in required else '?'}: {_type(property_, root, depth + 1)}"
        for name, property_ in schema.get("properties", {}).items()
    ]
    if schema.get("additionalProperties", True) is not False:
        # `unknown` and not the schema: an index signature has to fit every named member.
        members.append("[member: string]: unknown")
    return f"{{ {'; '.join(members)} }}" if members else "Record<string, never>"


def _member(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)


def _literal(value: Any) -> str:
    return json.dumps(value) if value is None or isinstance(value, str | int | float | bool) else "unknown"
