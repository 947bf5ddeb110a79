"""The journal: a record of every attempt that reached a stand-in, in order and in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

from carillon.text import cut

Channel = Literal["push", "email", "in_app"]
Outcome = Literal["accepted", "refused"]
CHANNELS: tuple[Channel, ...] = ("push", "email", "in_app")
OUTCOMES: tuple[Outcome, ...] = ("accepted", "refused")

MAX_ARRIVALS = 200_000
MAX_RAW = 5_000
# A second limit, because 5,000 mails with attachments could be very large.
MAX_RAW_BYTES = 32 * 1024 * 1024
# FCM's maximum payload, so a push is never truncated. The full text of a longer mail is in `raw`.
MAX_TEXT = 4096


@dataclass(slots=True)
class Arrival:
    """One attempt, as a stand-in saw it. `status` is 0 if the connection was closed without an answer.

    `raw` is the parsed FCM or in-app message, or the text of the mail. `size` is its length on the wire.
    """

    channel: Channel
    address: str
    outcome: Outcome
    status: int
    notification_id: str | None = None
    title: str | None = None
    body: str | None = None
    collapse: str | None = None
    message_id: str | None = None
    action: str = "show"
    headers: dict[str, str] | None = None
    raw: Any = None
    size: int = 0
    n: int = 0
    at: str = ""

    def as_json(self, *, with_raw: bool = True) -> dict[str, Any]:
        """Return the arrival as `GET /messages` shows it, with or without `headers` and `raw`."""
        shown = {
            "n": self.n,
            "at": self.at,
            "channel": self.channel,
            "address": self.address,
            "outcome": self.outcome,
            "status": self.status,
            "notification_id": self.notification_id,
            "title": self.title,
            "body": self.body,
            "collapse": self.collapse,
            "message_id": self.message_id,
            "action": self.action,
        }
        return {**shown, "headers": self.headers, "raw": self.raw} if with_raw else shown


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects arrivals. None matches any value."""

    channel: str | None = None
    address: str | None = None
    notification_id: str | None = None
    outcome: str | None = None

    def matches(self, arrival: Arrival) -> bool:
        """Return whether `arrival` is selected."""
        return (
            (self.channel is None or arrival.channel == self.channel)
            and (self.outcome is None or arrival.outcome == self.outcome)
            and (self.address is None or arrival.address == self.address)
            and (self.notification_id is None or arrival.notification_id == self.notification_id)
        )


class Journal:
    """Keeps the last `max_arrivals` arrivals, numbered from 1 without gaps. `empty` does not reset the numbers.

    `headers` and `raw` are kept for the newest arrivals only: at most `max_raw` arrivals of together `max_raw_bytes`.
    """

    def __init__(
        self, max_arrivals: int = MAX_ARRIVALS, max_raw: int = MAX_RAW, max_raw_bytes: int = MAX_RAW_BYTES
    ) -> None:
        self.last = 0
        self._arrivals: deque[Arrival] = deque(maxlen=max_arrivals)
        self._with_raw: deque[Arrival] = deque()
        self._max_raw = max_raw
        self._raw_bytes = 0
        self._max_raw_bytes = max_raw_bytes

    @property
    def oldest(self) -> int:
        """The number of the oldest arrival that is kept. If there is none, the next number."""
        return self.last - len(self._arrivals) + 1

    def record(self, arrival: Arrival) -> None:
        """Add `arrival` with a number and the time. Truncates its texts to MAX_TEXT characters."""
        self.last += 1
        arrival.n = self.last
        arrival.at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        arrival.address = cut(arrival.address, MAX_TEXT)
        arrival.title = arrival.title and cut(arrival.title, MAX_TEXT)
        arrival.body = arrival.body and cut(arrival.body, MAX_TEXT)
        self._arrivals.append(arrival)
        self._with_raw.append(arrival)
        self._raw_bytes += arrival.size
        while len(self._with_raw) > self._max_raw or self._raw_bytes > self._max_raw_bytes:
            oldest = self._with_raw.popleft()
            oldest.raw = oldest.headers = None
            self._raw_bytes -= oldest.size

    def after(self, n: int, wanted: Filter, limit: int) -> tuple[list[Arrival], int]:
        """Return the first `limit` matching arrivals after number `n`, and the `n` of the next call."""
        found = list(islice(filter(wanted.matches, self._since(n)), limit))
        return found, found[-1].n if len(found) == limit else self.last

    def newest(self, wanted: Filter, limit: int) -> tuple[list[Arrival], int]:
        """Return the last `limit` matching arrivals, oldest first, and the `n` for `after`."""
        found = list(islice(filter(wanted.matches, reversed(self._arrivals)), limit))
        found.reverse()
        return found, self.last

    def count(self, wanted: Filter, after: int = 0) -> dict[str, dict[str, int]]:
        """Count the matching arrivals after number `after` by channel and outcome."""
        counts = {channel: dict.fromkeys(map(str, OUTCOMES), 0) for channel in map(str, CHANNELS)}
        for arrival in filter(wanted.matches, self._since(after)):
            counts[arrival.channel][arrival.outcome] += 1
        return counts

    def empty(self) -> None:
        """Delete all arrivals."""
        self._arrivals.clear()
        self._with_raw.clear()
        self._raw_bytes = 0

    def _since(self, n: int) -> Iterator[Arrival]:
        return islice(self._arrivals, max(0, n - self.oldest + 1), None)
