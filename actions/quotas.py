"""Hold what callers do against the quotas of their tenant."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine

from actions.problems import Problem
from bus.token_bucket import Limit, SharedBuckets
from models.attachments.queries import stored_bytes
from models.catalogue.queries import count_types
from models.sql.engine import read
from models.tenants.quotas import Quota, quotas_of
from models.topics.queries import count_members, count_topics, topic_exists
from models.users.queries import count_users, known_users

DAY = 86_400

# Seconds for which quotas and counts of rows are believed. A count that is far below its quota is believed for longer,
# until the rest could be used up by this many new rows a second.
_BELIEVED = 10.0
_ROWS_A_SECOND = 5_000

# What a process keeps to itself before it takes it from the bucket in Redis: a thousandth of the quota, and at most
# this. One call to Redis for each notification would slow all of them down.
_AT_ONCE = {Quota.RECIPIENTS: 1_000, Quota.BYTES: 1_000_000}

_ASK = "ask the operator to raise it (bin/carillon tenants quota)"

# Entries beyond which those that are no longer believed are dropped.
_SWEEP = 10_000


class Used(NamedTuple):
    """A quota, and how much of it is used. `used` None: Redis, which knows, does not answer."""

    quota: Quota
    limit: int
    used: int | None


class Quotas:
    """The quotas of all tenants, as one process knows them. Without Redis those of a day are not held."""

    def __init__(self, engine: Engine, redis_url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._buckets = SharedBuckets(redis_url, "quotas of a day")
        self._lock = threading.Lock()
        # Taken by requests, and not yet from the bucket.
        self._owed: dict[tuple[str, Quota], int] = {}
        # Values with the time until which they are believed.
        self._known: dict[Any, tuple[Any, float]] = {}

    def spend(self, tenant: str, quota: Quota, number: int, connection: Connection | None = None) -> None:
        """Use `number` of a quota of the day. Raises Problem (429) if it is used up.

        What needs more than the whole quota is let through when nothing of it is used.
        """
        limit = self._of(connection, tenant)[quota]
        with self._lock:
            owed = self._owed.get((tenant, quota), 0) + number
            if owed < min(limit // 1000, _AT_ONCE[quota]):
                self._owed[tenant, quota] = owed
                return
        taken = self._buckets.take([_bucket(tenant, quota, limit)], owed)
        with self._lock:
            if taken is None or taken.allowed:
                self._owed[tenant, quota] = self._owed.get((tenant, quota), 0) + number - owed
                return
        detail = f"the tenant has used up its quota {quota} ({limit}): wait {taken.retry_after} s, or {_ASK}"
        raise Problem(429, "quota_exceeded", detail, headers={"Retry-After": str(taken.retry_after)})

    def audience(self, connection: Connection, tenant: str, topic: str | None) -> int:
        """How many users a topic has, or the tenant, if that is None; counted up to the quota of a day."""
        most = self._of(connection, tenant)[Quota.RECIPIENTS]

        def count() -> int:
            if topic is None:
                return count_users(connection, tenant, most)
            return count_members(connection, tenant, topic, most)

        found: int = self._believe(("audience", tenant, topic), count)
        return found

    def require_users(self, connection: Connection, tenant: str, ids: Sequence[str]) -> None:
        """Raise Problem (409) if not all of these users could exist beside those that do."""
        limit = self._of(connection, tenant)[Quota.USERS]
        there = self._count(Quota.USERS, tenant, limit, lambda: count_users(connection, tenant, limit))
        if there + len(ids) > limit:
            new = len(set(ids) - known_users(connection, tenant, list(set(ids))))
            if new and there + new > limit:
                raise _full(Quota.USERS, limit)

    def require_topic(self, connection: Connection, tenant: str, topic: str) -> None:
        """Raise Problem (409) if there is no such topic, and no room for one more."""
        limit = self._of(connection, tenant)[Quota.TOPICS]
        there = self._count(Quota.TOPICS, tenant, limit, lambda: count_topics(connection, tenant, limit))
        if there >= limit and not topic_exists(connection, tenant, topic):
            raise _full(Quota.TOPICS, limit)

    def require_bytes(self, connection: Connection, tenant: str, size: int) -> None:
        """Raise Problem (409) if there is no room for an attachment of this size."""
        limit = self._of(connection, tenant)[Quota.ATTACHMENTS]
        key = (Quota.ATTACHMENTS, tenant, limit)
        there: int = self._believe(key, lambda: stored_bytes(connection, tenant))
        if there + size > limit:
            raise _full(Quota.ATTACHMENTS, limit)
        # What was let through counts at once; what was deleted, when the number is read again.
        self._known[key] = (there + size, self._known[key][1])

    def event_types(self, connection: Connection, tenant: str) -> int:
        """How many event types the tenant can declare."""
        return self._of(connection, tenant)[Quota.EVENT_TYPES]

    def used(self, tenant: str) -> list[Used]:
        """All quotas of the tenant, and how much of each is used at this moment."""
        with read(self._engine) as connection:
            limits = quotas_of(connection, tenant)
            counts: dict[Quota, int | None] = {
                Quota.USERS: count_users(connection, tenant, limits[Quota.USERS]),
                Quota.TOPICS: count_topics(connection, tenant, limits[Quota.TOPICS]),
                Quota.EVENT_TYPES: count_types(connection, tenant),
                Quota.ATTACHMENTS: stored_bytes(connection, tenant),
            }
        for quota in (Quota.RECIPIENTS, Quota.BYTES):
            taken = self._buckets.take([_bucket(tenant, quota, limits[quota])], 0)
            counts[quota] = limits[quota] - taken.remaining if taken is not None else None
        return [Used(quota, limits[quota], counts[quota]) for quota in Quota]

    def close(self) -> None:
        """Release the connections."""
        self._buckets.close()

    def _of(self, connection: Connection | None, tenant: str) -> dict[Quota, int]:
        def look() -> dict[Quota, int]:
            if connection is not None:
                return quotas_of(connection, tenant)
            with read(self._engine) as own:
                return quotas_of(own, tenant)

        found: dict[Quota, int] = self._believe(("quotas", tenant), look)
        return found

    def _count(self, quota: Quota, tenant: str, limit: int, count: Callable[[], int]) -> int:
        found: int = self._believe((quota, tenant, limit), count, lambda number: (limit - number) / _ROWS_A_SECOND)
        return found

    def _believe(self, key: Any, look: Callable[[], Any], seconds: Callable[[Any], float] = lambda _: 0.0) -> Any:
        now = self._clock()
        value, until = self._known.get(key, (None, now))
        if now < until:
            return value
        value = look()
        if len(self._known) >= _SWEEP:
            self._known = {key: entry for key, entry in self._known.items() if now < entry[1]}
        self._known[key] = (value, now + max(_BELIEVED, seconds(value)))
        return value


def _bucket(tenant: str, quota: Quota, limit: int) -> tuple[str, Limit]:
    # With the limit in its name: when that is changed, the bucket is a new one, and full.
    return f"carillon:quota:{quota}:{limit}:{tenant}", Limit(limit / DAY, limit)


def _full(quota: Quota, limit: int) -> Problem:
    return Problem(409, "quota_reached", f"the tenant has used up its quota {quota} ({limit}): delete some, or {_ASK}")
