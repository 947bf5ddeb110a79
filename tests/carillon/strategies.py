"""Strategies for requests: every field that there is, within its limits."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

LEVELS = ["info", "success", "warning", "error", "critical"]
PRIORITIES = ["critical", "high", "normal", "low", "bulk"]
names = st.from_regex(r"\A[A-Za-z0-9_.:\-]{1,20}\Z").filter(lambda name: name not in (".", ".."))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcü"), inner, max_size=3),
    max_leaves=8,
)
payloads = st.dictionaries(st.sampled_from(["a", "b", "ü"]), json_values, max_size=3)
lines = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=40)
user_ids = lines.filter(lambda user: user not in (".", ".."))
recipients = user_ids | st.fixed_dictionaries(
    {"id": user_ids},
    optional={
        "email": st.sampled_from(["Bob@EXAMPLE.test", "a@host.local", "root@localhost", "u@exämple.org"]),
        "locale": st.sampled_from(["de", "de-AT", "pt_BR"]),
    },
)
audiences: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"users": st.lists(recipients, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"topic": names}),
    st.just({"tenant": True}),
)
_levels = st.one_of(
    st.just({}),
    st.sampled_from(LEVELS).map(lambda level: {"level": level}),
    st.sampled_from(LEVELS).map(lambda level: {"severity": level}),
    st.sampled_from(LEVELS).map(lambda level: {"level": level, "severity": level}),
)


def _with_level(fields: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return _levels.map(lambda level: fields | level)


notifications = st.fixed_dictionaries(
    {"audience": audiences, "title": lines, "message": lines},
    optional={
        "data": payloads,
        "priority": st.sampled_from(PRIORITIES),
        "category": st.none() | names,
        "type": names | st.just("notification"),
        "channels": st.none() | st.lists(st.sampled_from(["in_app", "push", "email"]), min_size=1, unique=True),
        "expires_in": st.none() | st.integers(60, 10**7),
        "collapse_key": lines,
        "reference": lines,
        "url": st.sampled_from(["https://example.test/a?b=c#d", "http://host:1/"]),
    },
).flatmap(_with_level)
alerts = st.fixed_dictionaries(
    {"title": lines, "message": lines},
    optional={"data": payloads, "type": names, "expires_in": st.none() | st.integers(60, 10**7)},
).flatmap(_with_level)
