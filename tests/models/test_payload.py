from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.events.log import append
from models.events.tables import events
from models.payload import LARGEST_NUMBER, MAX_BYTES, fault_of
from models.sql.engine import read, write
from tests.factories import NOW, create_tenant, create_users


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
        {"n": LARGEST_NUMBER, "m": -LARGEST_NUMBER},
        nested(16),
        {"a": "x" * (MAX_BYTES - 8)},
    ],
)
def test_json_that_every_client_reads_is_taken(data):
    assert fault_of(data) is None


@pytest.mark.parametrize(
    ("data", "fault"),
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
        ({1: "a"}, "names of members must be texts, not int"),
        ({"a": datetime.now(UTC)}, "datetime is not JSON"),
        ({"a": Decimal("1")}, "Decimal is not JSON"),
        ({"a": {1, 2}}, "set is not JSON"),
        ({"a": (1, 2)}, "tuple is not JSON"),
        (nested(17), "16 levels"),
        ({"a": "x" * (MAX_BYTES - 7)}, f"must not exceed {MAX_BYTES} bytes"),
        ({"a": "ü" * (MAX_BYTES // 2)}, f"must not exceed {MAX_BYTES} bytes"),
    ],
)
def test_anything_else_is_refused_in_a_few_words(data, fault):
    assert fault in str(fault_of(data))


def test_depth_is_no_danger():
    assert "levels" in str(fault_of(nested(100_000)))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), _json, max_size=4))
def test_nothing_makes_it_raise(data):
    assert fault_of(data) is None or isinstance(fault_of(data), str)


def test_what_is_taken_comes_back_as_it_was(engine):
    create_tenant(engine)
    create_users(engine, ["alice"])
    data = {"text": "ü\t\x7f😀'\"\\", "n": LARGEST_NUMBER, "x": 0.1, "deep": nested(12), "list": [None, True, ""]}
    assert fault_of(data) is None
    with write(engine) as connection:
        append(connection, "acme", "user:alice", "stream:data", data, NOW, NOW)
    with read(engine) as connection:
        assert connection.execute(events.select()).one().data == data
