"""The pages of a user that poll: how often they may, and what each has been given. Both are kept in Redis.

A page has no name. But it polls since the time of its last answer, which is how its last answer is found again. Without
Redis every poll is allowed, and a page gets what its user has not acknowledged, on whichever page.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bus.redis import UNAVAILABLE, connect
from bus.token_bucket import Limit, SharedBuckets
from models.events.cursor import Cursor

# Pages of one user. The socket has the same limit (MAX_CONNECTIONS_PER_USER).
PAGES = 20

# A page takes the time when it has handled an answer, by its own clock. If its answer is not found because the clock is
# wrong or the network slow, it gets what was not acknowledged.
_LATE = timedelta(seconds=2)
_EARLY = timedelta(seconds=0.5)

# How long answers are kept: pages poll once a minute at least.
_KEPT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """What a page was given, and when."""

    at: datetime
    cursor: Cursor


class PollingPages:
    """`interval` is the number of seconds that a page has to wait between two polls."""

    def __init__(self, redis_url: str, interval: float) -> None:
        # A browser's timer is not exact: a request that comes a little early is not refused.
        self._interval = timedelta(seconds=0.9 * interval)
        self._limit = Limit(rate=PAGES / self._interval.total_seconds(), burst=PAGES)
        self._buckets = SharedBuckets(redis_url, "polling")
        self._redis = connect(redis_url, text=True)

    def last_answer(self, tenant: str, user: str, since: datetime) -> LastAnswer | None:
        """What the page that polls since this time was given last; None if that is not known.

        Of two answers that may be meant, the earlier one: rather an event twice than not at all.
        """
        first, last = (since - _LATE).timestamp(), (since + _EARLY).timestamp()
        try:
            found: Any = self._redis.zrangebyscore(_key("answers", tenant, user), first, last, 0, 1)
        except UNAVAILABLE:
            return None
        for answer in found:
            at, _, cursor = answer.partition(" ")
            with suppress(ValueError):
                # Others may write to Redis. A time without its zone is none of ours.
                if (moment := datetime.fromisoformat(at)).tzinfo is not None:
                    return LastAnswer(moment, Cursor.decode(cursor))
        return None

    def wait(self, tenant: str, user: str, last: LastAnswer | None, now: datetime) -> int:
        """Seconds that the page has to wait before it polls; 0 if it can poll now."""
        # An answer of the future was given before the clock was set back.
        if last is not None and timedelta() <= now - last.at < self._interval:
            return max(1, round((last.at + self._interval - now).total_seconds()))
        taken = self._buckets.take([(_key("interval", tenant, user), self._limit)])
        return 0 if taken is None or taken.allowed else taken.retry_after

    def answered(self, tenant: str, user: str, cursor: Cursor, now: datetime) -> None:
        """Note what a page is given."""
        key = _key("answers", tenant, user)
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.zadd(key, {f"{now.isoformat()} {cursor.encode()}": now.timestamp()})
        pipeline.zremrangebyscore(key, "-inf", (now - _KEPT).timestamp())
        pipeline.expire(key, _KEPT)
        with suppress(*UNAVAILABLE):
            pipeline.execute()

    def close(self) -> None:
        """Release the connections."""
        self._buckets.close()
        self._redis.close()


def _key(kind: str, tenant: str, user: str) -> str:
    # A tenant's id has no slash, so no two keys can collide.
    return f"carillon:polling:{kind}:{tenant}/{user}"
