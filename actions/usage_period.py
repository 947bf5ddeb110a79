"""The days for which usage can be asked."""

from __future__ import annotations

from datetime import date, timedelta

from actions.problems import invalid

# Days: a page, and as much as one answer contains.
USUAL = 30
LONGEST = 366


def period(since: date | None, until: date | None, today: date) -> tuple[date, date]:
    """Return the first and the last day, by default USUAL days up to today. Raises Problem (422)."""
    last = until or today
    first = since or date.fromordinal(max(last.toordinal() - USUAL + 1, 1))
    if first > last:
        raise invalid("since", "range", "must not be after until")
    if last - first >= timedelta(days=LONGEST):
        raise invalid("since", "range", f"must be less than {LONGEST} days before until")
    return first, last
