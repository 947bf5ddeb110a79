"""The AsyncAPI document as a page for readers: what the template of /docs/events shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

# Deeper members are left to the document itself.
_DEEPEST = 4
_LIMITS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
}
_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


class Block(NamedTuple):
    """A paragraph of the introduction, in parts that are code or not, or an example in a language."""

    parts: list[tuple[str, bool]]
    language: str = ""


class Member(NamedTuple):
    """A row of the table of a payload."""

    path: str
    type: str
    values: list[str]
    required: bool
    description: str


class Event(NamedTuple):
    """One event of the canonical namespace."""

    id: str
    name: str
    title: str
    description: str
    from_server: bool
    priority: str
    rooms: list[str]
    kept: str
    coalesced: str
    members: list[Member]
    open: bool
    names: list[dict[str, str]]


class Listed(NamedTuple):
    """An event in the list of a namespace: its name there, and the canonical event that describes it."""

    name: str
    canonical: Event


class Namespace(NamedTuple):
    """A namespace other than the canonical one."""

    id: str
    address: str
    sent: list[Listed]
    received: list[Listed]


def reference(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows of the document."""
    events = {id_: _event(id_, message, document) for id_, message in document["components"]["messages"].items()}
    domains: dict[str, list[Event]] = {}
    for event in events.values():
        domains.setdefault(event.name.partition(":")[0], []).append(event)
    return {
        "title": document["info"]["title"],
        "version": document["info"]["version"],
        "introduction": list(_blocks(document["info"]["description"])),
        "server": document["servers"]["here"],
        "domains": domains,
        "namespaces": [
            _namespace(id_, channel, events)
            for id_, channel in document["channels"].items()
            if channel["address"] != "/"
        ],
    }


def _event(id_: str, message: Mapping[str, Any], document: Mapping[str, Any]) -> Event:
    schema = _followed(message["payload"], document)
    return Event(
        id=id_,
        name=message["name"],
        title=message["title"],
        description=message.get("description", ""),
        from_server=message["x-emitted-by"] == "server",
        priority=message["x-priority"],
        rooms=message["x-rooms"],
        kept=_duration(message["x-ttl"]) if message["x-replay"] else "",
        coalesced=_coalesced(message.get("x-coalesce")),
        members=list(_members(schema, document)),
        open=schema.get("additionalProperties", True) is not False,
        names=message["x-names"],
    )


def _coalesced(rule: Mapping[str, Any] | None) -> str:
    if rule is None:
        return ""
    return f"{rule['window_ms']} ms" + (f" per {' and '.join(rule['key'])}" if rule["key"] else "")


def _namespace(id_: str, channel: Mapping[str, Any], events: Mapping[str, Event]) -> Namespace:
    listed = [
        Listed(message["name"] if "name" in message else events[canonical].name, events[canonical])
        for key, message in channel["messages"].items()
        for canonical in [message["$ref"].rpartition("/")[2] if "$ref" in message else _canonical(key, events)]
    ]
    return Namespace(
        id_,
        channel["address"],
        sent=[one for one in listed if one.canonical.from_server],
        received=[one for one in listed if not one.canonical.from_server],
    )


def _canonical(key: str, events: Mapping[str, Event]) -> str:
    # An event that has several names in a namespace is numbered there.
    return key if key in events else key.rpartition("-")[0]


def _members(
    schema: Mapping[str, Any], document: Mapping[str, Any], path: str = "", depth: int = 1
) -> Iterator[Member]:
    required = schema.get("required", ())
    for name, given in schema.get("properties", {}).items():
        member = _followed(given, document) if isinstance(given, Mapping) else {}
        values = member.get("enum", [member["const"]] if "const" in member else [])
        yield Member(
            f"{path}{name}",
            _type(member, document),
            [value if isinstance(value, str) else json.dumps(value) for value in values],
            name in required,
            member.get("description", ""),
        )
        if depth < _DEEPEST:
            yield from _members(member, document, f"{path}{name}.", depth + 1)
            items = member.get("items")
            if isinstance(items, Mapping):
                yield from _members(_followed(items, document), document, f"{path}{name}[].", depth + 1)


def _type(schema: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            each = [_type(_followed(one, document), document) for one in schema[keyword]]
            return " or ".join(dict.fromkeys(each))
    if "enum" in schema or "const" in schema:
        return "one of" if len(schema.get("enum", ())) > 1 else "always"
    kinds = schema.get("type", "object" if "properties" in schema else "any")
    said = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    items = schema.get("items")
    if kinds == "array" and isinstance(items, Mapping):
        said = f"array of {_type(_followed(items, document), document)}"
    said += f" ({schema['format']})" if "format" in schema else ""
    return ", ".join([said, *(text.format(schema[name]) for name, text in _LIMITS.items() if name in schema)])


def _followed(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_DEEPEST):
        if "$ref" not in schema:
            break
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        schema = found if isinstance(found, Mapping) else {}
    return schema


def _blocks(markdown: str) -> Iterator[Block]:
    """Paragraphs with `code`, and fenced examples: all the Markdown that the document has."""
    for number, fenced in enumerate(markdown.split("```")):
        if number % 2:
            language, _, text = fenced.partition("\n")
            yield Block([(text.rstrip(), True)], language)
        else:
            for paragraph in filter(None, map(str.strip, fenced.split("\n\n"))):
                parts = re.sub(r"\s+", " ", paragraph).split("`")
                yield Block([(part, bool(place % 2)) for place, part in enumerate(parts) if part])


def _duration(seconds: int) -> str:
    unit, length = next((unit, length) for unit, length in _UNITS if seconds % length == 0)
    return f"{seconds // length} {unit}{'' if seconds == length else 's'}"
