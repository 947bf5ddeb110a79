"""Whatever is declared, published or polled for, the answer is an acceptance or a problem that the caller can mend."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.catalogue.schema import payload_errors, schema_errors
from tests.web.test_fuzz import JSON, NUMBERS, PIECES, TEXT, quick, unlimited

pytestmark = pytest.mark.slow

__all__ = ["unlimited"]

# Words that mean something in a schema, with values that mostly fit.
WORDS = st.sampled_from(["a", "b", "type", "#/$defs/a", "#/$defs/b", "#", "string", "object", "array", "integer"])
LEAVES = st.none() | st.booleans() | NUMBERS | WORDS | TEXT
SCHEMAS = st.recursive(
    st.booleans() | st.just({}) | st.fixed_dictionaries({"type": st.sampled_from(["string", "object", "array"])}),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": WORDS | st.lists(WORDS, max_size=3),
            "$ref": WORDS,
            "$defs": st.dictionaries(WORDS, inner, max_size=2),
            "properties": st.dictionaries(WORDS, inner, max_size=2),
            "required": st.lists(WORDS, max_size=2, unique=True),
            "items": inner,
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "enum": st.lists(LEAVES, max_size=3),
            "const": LEAVES,
            "minimum": NUMBERS | WORDS,
            "multipleOf": NUMBERS,
            "maxLength": st.integers(),
            "dependentSchemas": st.dictionaries(WORDS, inner, max_size=1),
            "additionalProperties": inner,
            "pattern": TEXT,
        },
    ),
    max_leaves=6,
)
OBJECTS = st.dictionaries(WORDS | TEXT, JSON, max_size=4)
DECLARATIONS = st.fixed_dictionaries(
    {"title": TEXT | st.just("T")},
    optional={
        "description": TEXT | JSON,
        "payload": SCHEMAS | JSON,
        "rooms": st.lists(st.sampled_from(["user", "tenant", "moon"])) | JSON,
        "priority": st.sampled_from(["bulk", "no"]) | JSON,
        "replay": st.booleans() | JSON,
        "ttl": NUMBERS,
        "coalesce": st.fixed_dictionaries({"window_ms": NUMBERS}, optional={"key": st.lists(TEXT) | JSON}) | JSON,
    },
)


@quick
@given(schema=SCHEMAS, data=OBJECTS)
def test_a_schema_that_is_taken_can_be_applied_to_anything(schema, data):
    if isinstance(schema, dict) and not schema_errors(schema):
        assert isinstance(payload_errors(schema, data), list)


@quick
@given(declaration=DECLARATIONS | JSON, data=OBJECTS)
def test_no_declaration_is_answered_with_an_error_of_ours(unlimited, service, declaration, data):
    declared = service.put("/v1/event-types/fuzz:one", json.dumps(declaration).encode())
    assert declared.status_code in {200, 400, 413, 422}, declared.text
    event = {"audience": {"users": ["alice"]}, "type": "fuzz:one", "data": data}
    assert service.post("/v1/events", json.dumps(event).encode()).status_code in {202, 400, 422}
    assert service.get("/v1/event-types.ts").status_code == 200


@quick
@given(
    document=st.fixed_dictionaries(
        {},
        optional={
            "audience": st.fixed_dictionaries(
                {}, optional={"users": st.lists(TEXT | JSON, max_size=3), "tenant": JSON}
            ),
            "type": st.sampled_from(["stream:data", "stream:pond_update", "chat:message", "a:b"]) | TEXT | JSON,
            "data": OBJECTS | JSON,
            "key": TEXT | JSON,
        },
    )
    | JSON
)
def test_no_event_is_answered_with_an_error_of_ours(unlimited, service, document):
    assert service.post("/v1/events", json.dumps(document).encode()).status_code in {202, 400, 422}


@quick
@given(piece=PIECES)
def test_no_name_is_answered_with_an_error_of_ours(unlimited, service, piece):
    quoted = "".join(f"%{byte:02X}" for byte in piece)
    for method in ("GET", "PUT", "DELETE"):
        answer = service.ask(method, f"/v1/event-types/{quoted}", {"title": "T"} if method == "PUT" else None)
        assert answer.status_code in {200, 404, 405, 422}, answer.text


@quick
@given(piece=PIECES | st.datetimes().map(lambda moment: moment.isoformat().encode()))
def test_no_since_is_answered_with_an_error_of_ours(unlimited, alice, piece):
    quoted = "".join(f"%{byte:02X}" for byte in piece)
    assert alice.get(f"/api/polling/acme/events?since={quoted}").status_code in {200, 422, 429}


@quick
@given(ids=st.lists(TEXT | st.from_regex(r"(user:alice|tenant:acme):[0-9]{0,30}"), max_size=5) | JSON)
def test_no_id_is_answered_with_an_error_of_ours(unlimited, alice, ids):
    document = json.dumps({"eventIds": ids}).encode()
    answer = alice.post("/api/polling/acme/events/acknowledge", document)
    assert answer.status_code in {200, 400, 422}, answer.text
