"""The AsyncAPI document as a page for readers: what the template of /docs/events shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from web.documentation.schema_table import Member, followed, members

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


class Block(NamedTuple):
    """A paragraph of the introduction, in parts that are code or not, or an example in a language."""

    parts: list[tuple[str, bool]]
    language: str = ""


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
    schema = followed(message["payload"], document)
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
        members=list(members(schema, document)),
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
