"""How many events clients may send: token buckets of this process, which wait for nobody and outlive any outage."""

from __future__ import annotations

import threading
from collections.abc import Hashable

from web.realtime.limits import PER_TENANT, PER_USER, PER_USER_AND_EVENT, Rate

# So many buckets are kept before those are looked for that are full again, and so tell nothing.
_SWEEP = 10_000


class Bucket:
    """A token bucket."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = float(rate.burst)
        self._at = now
        # Events refused since the bucket was last full.
        self.refused = 0

    def take(self, cost: int, now: float) -> bool:
        """Whether an event of this cost is within the limit."""
        if self.full(now):
            self.refused = 0
        if self._tokens < cost:
            self.refused += 1
            return False
        self._tokens -= cost
        return True

    def full(self, now: float) -> bool:
        """Whether nobody has taken anything for so long that it is as good as new."""
        self._tokens = min(self._rate.burst, self._tokens + (now - self._at) * self._rate.per_second)
        self._at = now
        return self._tokens == self._rate.burst


class Buckets:
    """A bucket for each key."""

    def __init__(self, rate: Rate, sweep: int = _SWEEP) -> None:
        self._rate = rate
        self._sweep = sweep
        self._lock = threading.Lock()
        self._buckets: dict[Hashable, Bucket] = {}

    def take(self, key: Hashable, cost: int, now: float) -> bool:
        """Whether an event of this cost is within the limit of the key."""
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                if len(self._buckets) >= self._sweep:
                    self._buckets = {key: bucket for key, bucket in self._buckets.items() if not bucket.full(now)}
                bucket = self._buckets[key] = Bucket(self._rate, now)
            return bucket.take(cost, now)

    def __len__(self) -> int:
        return len(self._buckets)


class Allowance:
    """What the clients of this process may ask: each connection, each user, each user of one event, each tenant."""

    def __init__(self) -> None:
        self._events = Buckets(PER_USER_AND_EVENT)
        self._users = Buckets(PER_USER)
        self._tenants = Buckets(PER_TENANT)

    def take(self, own: Bucket, tenant: str, user: str, event: str, cost: int, now: float) -> bool:
        """Whether one more event is within all limits. `own` is the bucket of the connection, and counts refusals."""
        if not own.take(cost, now):
            return False
        allowed = (
            self._events.take((tenant, user, event), cost, now)
            and self._users.take((tenant, user), cost, now)
            and self._tenants.take(tenant, cost, now)
        )
        if not allowed:
            own.refused += 1
        return allowed
