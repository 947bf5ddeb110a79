"""A JSON schema as the rows of a table, in words."""

from __future__ import annotations

import json
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


class Member(NamedTuple):
    """A row of the table of a payload."""

    path: str
    type: str
    values: list[str]
    required: bool
    description: str


def members(schema: Mapping[str, Any], document: Mapping[str, Any], path: str = "", depth: int = 1) -> Iterator[Member]:
    """The members of an object, those of its members after each. References are resolved in the document."""
    for choice in _choices(schema, document):
        yield from members(choice, document, path, depth)
    required = schema.get("required", ())
    for name, given in schema.get("properties", {}).items():
        member = followed(given, document) if isinstance(given, Mapping) else {}
        yield Member(
            f"{path}{name}",
            type_in_words(member, document),
            values(member, document),
            name in required,
            member.get("description", ""),
        )
        if depth < _DEEPEST:
            yield from members(member, document, f"{path}{name}.", depth + 1)
            items = member.get("items")
            if isinstance(items, Mapping):
                yield from members(followed(items, document), document, f"{path}{name}[].", depth + 1)


def values(schema: Mapping[str, Any], document: Mapping[str, Any]) -> list[str]:
    """The values that are allowed, if they are listed."""
    listed = schema.get("enum", [schema["const"]] if "const" in schema else [])
    found = [value if isinstance(value, str) else json.dumps(value) for value in listed]
    return found + [value for choice in _choices(schema, document) for value in values(choice, document)]


def type_in_words(schema: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """The type of a value, with its limits."""
    choices = dict.fromkeys(type_in_words(choice, document) for choice in _choices(schema, document))
    if choices:
        # The values follow the words.
        return " or ".join(sorted(choices, key=lambda words: words in ("one of", "always")))
    if "enum" in schema or "const" in schema:
        return "one of" if len(schema.get("enum", ())) > 1 else "always"
    kinds = schema.get("type", "object" if "properties" in schema else "any")
    said = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    items = schema.get("items")
    if kinds == "array" and isinstance(items, Mapping):
        said = f"array of {type_in_words(followed(items, document), document)}"
    said += f" ({schema['format']})" if "format" in schema else ""
    return ", ".join([said, *(text.format(f"{schema[name]:g}") for name, text in _LIMITS.items() if name in schema)])


def followed(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference leads to; the schema itself if it is none."""
    for _ in range(_DEEPEST):
        if "$ref" not in schema:
            break
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        schema = found if isinstance(found, Mapping) else {}
    return schema


def _choices(schema: Mapping[str, Any], document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [followed(one, document) for one in schema.get("anyOf", schema.get("oneOf", ()))]
