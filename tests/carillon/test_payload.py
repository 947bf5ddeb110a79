"""The rule for payloads: what every client reads unchanged is accepted, anything else is refused in a few words."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.payload import MAX_EVENT_BYTES, MAX_NUMBER, payload_error


def nested(levels: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for _ in range(levels - 1):
        data = {"a": data}
    return data


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"text": "ü€😀", "n": 1, "x": 1.5, "yes": True, "no": None, "list": [1, {"a": []}]},
        {"n": MAX_NUMBER, "m": -MAX_NUMBER},
        nested(16),
        {"a": "x" * (MAX_EVENT_BYTES - 8)},
    ],
)
def test_json_that_every_client_reads_is_accepted(data):
    assert payload_error(data) is None


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ([], "must be an object"),
        ("text", "must be an object"),
        ({"a": "\x00"}, "NUL"),
        ({"a\x00": 1}, "NUL"),
        ({"a": ["\ud800"]}, "surrogate"),
        ({"a": float("nan")}, "finite"),
        ({"a": float("inf")}, "finite"),
        ({"a": 2**53 + 1}, "2**53"),
        ({"a": 1e300}, "2**53"),
        ({1: "a"}, "names of members must be strings, not int"),
        ({"a": datetime.now(UTC)}, "datetime is not JSON"),
        ({"a": Decimal("1")}, "Decimal is not JSON"),
        ({"a": {1, 2}}, "set is not JSON"),
        ({"a": (1, 2)}, "tuple is not JSON"),
        (nested(17), "16 levels"),
        (nested(100_000), "16 levels"),
        ({"a": "x" * (MAX_EVENT_BYTES - 7)}, f"must not exceed {MAX_EVENT_BYTES} bytes"),
        ({"a": "ü" * (MAX_EVENT_BYTES // 2)}, f"must not exceed {MAX_EVENT_BYTES} bytes"),
    ],
)
def test_anything_else_is_refused_in_a_few_words(data, error):
    assert error in str(payload_error(data))


def test_the_limits_can_be_chosen():
    assert payload_error({"a": "x"}, max_bytes=9) is None
    assert payload_error({"a": "x"}, max_bytes=8) == "must not exceed 8 bytes as JSON; it has 9"
    assert payload_error(nested(3), max_depth=2) == "must be nested at most 2 levels deep"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), _json, max_size=4))
def test_it_never_raises(data):
    assert payload_error(data) is None or isinstance(payload_error(data), str)
