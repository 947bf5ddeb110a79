"""The journal: order, filters and limits."""

from __future__ import annotations

import pytest

from lab.journal import MAX_TEXT, Arrival, Filter, Journal

ANY = Filter()


def arrival(address: str = "a", **fields: object) -> Arrival:
    return Arrival("push", address, "accepted", 200, **fields)  # type: ignore[arg-type]


def filled(count: int, **limits: int) -> Journal:
    journal = Journal(**limits)
    for number in range(1, count + 1):
        journal.record(arrival(f"a{number}", raw={"n": number}, size=10))
    return journal


def numbers(found: tuple[list[Arrival], int]) -> tuple[list[int], int]:
    return [one.n for one in found[0]], found[1]


def test_newest_returns_the_last_arrivals_oldest_first() -> None:
    assert numbers(filled(5).newest(ANY, 3)) == ([3, 4, 5], 5)


def test_repeated_calls_of_after_return_every_arrival_once() -> None:
    journal = filled(5)
    assert numbers(journal.after(0, ANY, 2)) == ([1, 2], 2)
    assert numbers(journal.after(2, ANY, 2)) == ([3, 4], 4)
    assert numbers(journal.after(4, ANY, 2)) == ([5], 5)
    assert numbers(journal.after(5, ANY, 2)) == ([], 5)
    assert numbers(journal.after(99, ANY, 2)) == ([], 5)


def test_the_cursor_advances_past_arrivals_that_do_not_match() -> None:
    journal = filled(5)
    assert numbers(journal.after(0, Filter(address="a2"), 10)) == ([2], 5)
    assert numbers(journal.after(0, Filter(address="nobody"), 10)) == ([], 5)
    assert numbers(journal.newest(Filter(address="a2"), 10)) == ([2], 5)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(channel="email"), [2]),
        (Filter(outcome="refused"), [3]),
        (Filter(notification_id="n1"), [1, 2]),
        (Filter(notification_id="n1", channel="push"), [1]),
        (Filter(address="b", outcome="accepted"), [2]),
    ],
)
def test_a_filter_selects_by_each_of_its_fields(wanted: Filter, expected: list[int]) -> None:
    journal = Journal()
    journal.record(Arrival("push", "a", "accepted", 200, notification_id="n1"))
    journal.record(Arrival("email", "b", "accepted", 250, notification_id="n1"))
    journal.record(Arrival("push", "b", "refused", 404, notification_id="n2"))
    assert numbers(journal.after(0, wanted, 10))[0] == expected
    assert sum(sum(kinds.values()) for kinds in journal.count(wanted).values()) == len(expected)


def test_count_is_by_channel_and_outcome() -> None:
    journal = filled(3)
    journal.record(Arrival("email", "b", "refused", 550))
    none = {"accepted": 0, "refused": 0}
    assert journal.count(ANY) == {
        "push": {"accepted": 3, "refused": 0},
        "email": {"accepted": 0, "refused": 1},
        "in_app": none,
    }
    assert journal.count(ANY, after=3)["push"] == none


def test_only_the_last_arrivals_are_kept() -> None:
    journal = filled(10, max_arrivals=4)
    assert journal.oldest == 7
    assert numbers(journal.after(0, ANY, 100)) == ([7, 8, 9, 10], 10)
    assert numbers(journal.after(8, ANY, 1)) == ([9], 9)


def test_raw_is_kept_for_the_newest_arrivals_only() -> None:
    journal = filled(10, max_raw=3)
    assert [one.n for one in journal.after(0, ANY, 100)[0] if one.raw] == [8, 9, 10]


def test_raw_is_bounded_in_bytes() -> None:
    journal = filled(10, max_raw_bytes=45)
    assert [one.n for one in journal.after(0, ANY, 100)[0] if one.raw] == [7, 8, 9, 10]
    journal.record(arrival(raw="x", size=46))
    assert not [one for one in journal.after(0, ANY, 100)[0] if one.raw]


def test_long_texts_are_truncated() -> None:
    journal = Journal()
    journal.record(arrival("x" * 10_000, title="t" * 10_000, body="b" * 10_000))
    [one] = journal.newest(ANY, 1)[0]
    assert len(one.address) == len(one.title or "") == len(one.body or "") == MAX_TEXT


def test_emptying_never_reuses_a_number() -> None:
    journal = filled(3)
    journal.empty()
    assert numbers(journal.newest(ANY, 10)) == ([], 3)
    assert journal.oldest == 4
    journal.record(arrival())
    assert numbers(journal.after(3, ANY, 10)) == ([4], 4)
