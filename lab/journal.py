"""What arrived: every attempt that reached a stand-in, in order, within bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Literal

Channel = Literal["push", "email", "in_app"]
Outcome = Literal["accepted", "refused"]
CHANNELS: tuple[Channel, ...] = ("push", "email", "in_app")
OUTCOMES: tuple[Outcome, ...] = ("accepted", "refused")

KEPT = 200_000
KEPT_WHOLE = 5_000
# 5,000 mails with attachments would not be bounded memory.
KEPT_WHOLE_BYTES = 32 * 1024 * 1024
# The longest payload FCM takes, so that a push is never cut; of a longer mail the rest is in `raw`.
LONGEST_TEXT = 4096


@dataclass(slots=True)
class Arrival:
    """One attempt, as a stand-in saw it. `status` 0: the connection ended without an answer.

    `raw` is the FCM message or the screen's message as parsed, or the mail's text; `size` its length on the wire.
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

    def as_json(self, *, whole: bool = True) -> dict[str, Any]:
        """The arrival as `GET /messages` shows it; without `headers` and `raw` unless `whole`."""
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
        return {**shown, "headers": self.headers, "raw": self.raw} if whole else shown


@dataclass(frozen=True, slots=True)
class Filter:
    """Which arrivals are meant; None means any."""

    channel: str | None = None
    address: str | None = None
    notification_id: str | None = None
    outcome: str | None = None

    def matches(self, arrival: Arrival) -> bool:
        """Whether `arrival` is meant."""
        return (
            (self.channel is None or arrival.channel == self.channel)
            and (self.outcome is None or arrival.outcome == self.outcome)
            and (self.address is None or arrival.address == self.address)
            and (self.notification_id is None or arrival.notification_id == self.notification_id)
        )


class Journal:
    """The last `kept` arrivals, numbered from 1 without gaps; numbers are never used again, not even after `empty`.

    `headers` and `raw` are kept for the newest arrivals only: at most `whole` of them and `whole_bytes` together.
    """

    def __init__(self, kept: int = KEPT, whole: int = KEPT_WHOLE, whole_bytes: int = KEPT_WHOLE_BYTES) -> None:
        self.last = 0
        self._arrivals: deque[Arrival] = deque(maxlen=kept)
        self._whole: deque[Arrival] = deque()
        self._most_whole = whole
        self._whole_bytes = 0
        self._most_whole_bytes = whole_bytes

    @property
    def oldest(self) -> int:
        """The number of the oldest arrival still kept, or the next number when there is none."""
        return self.last - len(self._arrivals) + 1

    def record(self, arrival: Arrival) -> None:
        """Keep `arrival`, numbered and dated; its texts are cut at LONGEST_TEXT characters."""
        self.last += 1
        arrival.n = self.last
        arrival.at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        arrival.address = arrival.address[:LONGEST_TEXT]
        arrival.title = arrival.title and arrival.title[:LONGEST_TEXT]
        arrival.body = arrival.body and arrival.body[:LONGEST_TEXT]
        self._arrivals.append(arrival)
        self._whole.append(arrival)
        self._whole_bytes += arrival.size
        while len(self._whole) > self._most_whole or self._whole_bytes > self._most_whole_bytes:
            faded = self._whole.popleft()
            faded.raw = faded.headers = None
            self._whole_bytes -= faded.size

    def after(self, n: int, wanted: Filter, limit: int) -> tuple[list[Arrival], int]:
        """The first `limit` wanted arrivals after number `n`, and the number to go on from."""
        found = list(islice(filter(wanted.matches, self._since(n)), limit))
        return found, found[-1].n if len(found) == limit else self.last

    def newest(self, wanted: Filter, limit: int) -> tuple[list[Arrival], int]:
        """The last `limit` wanted arrivals, oldest first, and the number to go on from."""
        found = list(islice(filter(wanted.matches, reversed(self._arrivals)), limit))
        found.reverse()
        return found, self.last

    def count(self, wanted: Filter, after: int = 0) -> dict[str, dict[str, int]]:
        """How many wanted arrivals after number `after` are kept, by channel and outcome."""
        counts = {channel: dict.fromkeys(map(str, OUTCOMES), 0) for channel in map(str, CHANNELS)}
        for arrival in filter(wanted.matches, self._since(after)):
            counts[arrival.channel][arrival.outcome] += 1
        return counts

    def empty(self) -> None:
        """Forget all arrivals."""
        self._arrivals.clear()
        self._whole.clear()
        self._whole_bytes = 0

    def _since(self, n: int) -> Iterator[Arrival]:
        return islice(self._arrivals, max(0, n - self.oldest + 1), None)
