"""JSON Schemas of payloads: checked when they are declared, compiled once, applied to every event."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError, meta

from carillon.payload import payload_error
from carillon.text import cut

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Max. subschemas per schema, those of `$defs` and again those to which each `$ref` leads. Every payload is validated
# against all of them.
MAX_SUBSCHEMAS = 256
# Max. errors reported per payload, and characters of each.
MAX_ERRORS_REPORTED = 10
MAX_MESSAGE = 200
# The validator makes all errors of a payload before it returns one, at some 80,000 a second. Where subschemas times
# values are more than this, it is asked for the first error only.
MAX_ERRORS_MADE = 2_000

_ONE = (
    *("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
_LIST = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAP = ("dependentSchemas", "patternProperties", "properties")

# Other ways to say where a reference leads.
_ANCHORS = ("$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef", "$vocabulary")
# A name with % would be another one for the validator, which decodes it.
_REFERENCE = re.compile(r"#/\$defs/([A-Za-z0-9_.\-]+)")
# A compiled expression can hold megabytes, and every process keeps it.
_COSTLY = {
    "pattern": "use enum, const or maxLength",
    "patternProperties": "use properties or additionalProperties",
}


def schema_errors(schema: Mapping[str, Any], trusted: bool = False) -> list[str]:
    """What is wrong with a schema; empty if it can be used.

    `trusted`: the schema comes from the operator of the server, who may use costly expressions.
    """
    wrong = payload_error(dict(schema))
    if wrong:
        return [wrong]
    if str(schema.get("$schema", DIALECT)).rstrip("#") != DIALECT:
        return [f"$schema must be {DIALECT}"]
    if schema.get("type", "object") != "object":
        return ['type must be "object": a payload is always one']
    try:
        meta.validate(dict(schema))
        # Definitions too, and those to which nothing refers.
        everything = chain.from_iterable(
            _walk(part, schema, ()) for part in (schema, *schema.get("$defs", {}).values())
        )
        for number, subschema in enumerate(everything):
            if number >= MAX_SUBSCHEMAS:
                return [f"must not come to more than {MAX_SUBSCHEMAS} subschemas, definitions and references included"]
            _check(subschema, trusted)
        _compile(schema)
    except ValidationError as error:
        return [cut(f"{_path(error.instance_path) or 'it'}: {error.message}", MAX_MESSAGE)]
    except ValueError as error:
        return [str(error)]
    return []


def payload_errors(schema: Mapping[str, Any], data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(where, what is wrong) for the first faults of a payload; nothing, if it is as the schema has it."""
    try:
        # The text, because a dict cannot be the key of a cache.
        validator, subschemas = _compiled(json.dumps(schema, sort_keys=True))
    except ValueError:
        return [("", "cannot be checked, because the schema of the type is faulty: declare the type again")]
    try:
        validator.validate(data)
    except ValidationError as first:
        few = subschemas * _count(data) <= MAX_ERRORS_MADE
        errors = list(validator.iter_errors(data))[:MAX_ERRORS_REPORTED] if few else [first]
    else:
        return []
    return [(_path(error.instance_path), cut(error.message, MAX_MESSAGE)) for error in errors]


@lru_cache(maxsize=512)
def _compiled(text: str) -> tuple[Draft202012Validator, int]:
    """(the validator of a schema, how many subschemas it comes to). Raises ValueError if it cannot be used."""
    schema = json.loads(text)
    return _compile(schema), sum(1 for _ in _walk(schema, schema, ()))


def _compile(schema: Mapping[str, Any]) -> Draft202012Validator:
    # These expressions take linear time. Nothing is ever fetched.
    return Draft202012Validator(dict(schema), pattern_options=RegexOptions(), offline=True)


def _count(data: Any) -> int:
    """How many values a JSON value holds, itself included."""
    number, stack = 0, [data]
    while stack:
        value: Any = stack.pop()
        number += 1
        if isinstance(value, dict | list):
            stack += value.values() if isinstance(value, dict) else value
    return number


def _walk(schema: Any, root: Mapping[str, Any], inside: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    """Every subschema, as often as references lead there. Raises ValueError for a reference that leads nowhere."""
    if not isinstance(schema, Mapping):
        return
    yield schema
    reference = schema.get("$ref")
    if reference is not None:
        if reference in inside:
            raise ValueError(f"{reference}: a schema must not contain itself")
        yield from _walk(_resolve(reference, root), root, (*inside, reference))
    for keyword in _ONE:
        yield from _walk(schema.get(keyword), root, inside)
    for keyword in _LIST:
        for item in schema.get(keyword, ()):
            yield from _walk(item, root, inside)
    for keyword in _MAP:
        for item in schema.get(keyword, {}).values():
            yield from _walk(item, root, inside)


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    # Only there does the meta-schema see to it that what is found is a schema.
    found = _REFERENCE.fullmatch(reference)
    if found is None or found[1] not in root.get("$defs", {}):
        raise ValueError(
            f"{reference}: $ref must lead to a schema of the same declaration, such as #/$defs/item; "
            "names have letters, digits and _ . -"
        )
    return root["$defs"][found[1]]


def _check(schema: Mapping[str, Any], trusted: bool) -> None:
    for keyword in _ANCHORS:
        if keyword in schema:
            raise ValueError(f"{keyword} is not supported: refer by #/$defs/…")
    for keyword, instead in _COSTLY.items():
        if keyword in schema and not trusted:
            raise ValueError(f"{keyword} may be used in CARILLON_CATALOGUE_FILE only: {instead}")


def _path(steps: Any) -> str:
    return ".".join(map(str, steps))
