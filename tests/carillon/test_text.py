"""A text is cut where a reader sees a boundary between characters, in a time that grows with its length only."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carillon.text import cut, printable


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("550 5.1.1\r\n no such user", "550 5.1.1 no such user"),
        ("a\0b", "a b"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("\x9b31mred", "31mred"),
        ("a\u202eb\u2066c\u2028d\u061ce", "a b c d e"),
        ("half \ud83d a pair", "half a pair"),
        ("\x7f\x85", ""),
        ("Größe 你好 👩\u200d👧 می\u200cخواهم", "Größe 你好 👩\u200d👧 می\u200cخواهم"),
    ],
)
def test_what_is_printable_stays_and_the_rest_is_a_space(given: str, kept: str) -> None:
    assert printable(given) == kept


# Examples for the rules of UAX 29: flags, keycaps, tags, joined emoji, skin tones, conjuncts, marks, Hangul.
CLUSTERS = [
    "🇩🇪",
    "1\ufe0f\u20e3",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "👩\u200d👩\u200d👧",
    "👍🏽",
    "क्षि",
    "e\u0301\u0302",
    "각",
    "ก็",
]


@pytest.mark.parametrize("cluster", CLUSTERS)
def test_a_cluster_is_never_split(cluster: str) -> None:
    text = "x" + cluster * 20
    for limit in range(len(cluster) + 1, len(text)):
        kept = cut(text, limit)
        assert len(kept) <= limit
        assert kept == "x" + cluster * ((limit - 1) // len(cluster))


@given(st.text(), st.integers(0, 50), st.sampled_from(["", "…"]))
def test_the_result_fits_and_is_the_beginning(text: str, limit: int, end: str) -> None:
    kept = cut(text, limit, end=end)
    assert len(kept) <= limit
    assert kept == text or (text.startswith(kept.removesuffix(end)) and len(text) > limit)


def test_the_size_can_be_that_of_the_encoded_text() -> None:
    assert cut("äöü", 5, end="…", size=lambda text: len(text.encode())) == "ä…"


def test_a_cluster_that_does_not_fit_by_itself_is_cut_between_code_points() -> None:
    assert cut("e" + "\u0301" * 1000, 5) == "e" + "\u0301" * 4


def test_half_a_surrogate_pair_is_no_error() -> None:
    assert cut("a\ud800" * 10, 3) == "a\ud800a"


@pytest.mark.parametrize("cluster", [*CLUSTERS, "\u0301", "\u200d👩", "\u094dक"])
def test_the_time_is_linear(cluster: str) -> None:
    text = "x" + cluster * 20_000
    began = time.process_time()
    cut(text, len(text) - 1)
    # Some milliseconds; quadratic time would be minutes.
    assert time.process_time() - began < 2
