"""How many events clients can send: token buckets of this process, which need no Redis."""

from __future__ import annotations

from bus.token_bucket import Bucket, Buckets
from web.realtime.limits import PER_TENANT, PER_USER, PER_USER_AND_EVENT


class RateLimits:
    """The limits of each connection, each user, each user and event, and each tenant."""

    def __init__(self) -> None:
        self._events = Buckets(PER_USER_AND_EVENT)
        self._users = Buckets(PER_USER)
        self._tenants = Buckets(PER_TENANT)

    def take(self, own: Bucket, tenant: str, user: str, event: str, cost: int, now: float) -> bool:
        """Whether one more event is within all limits. `own` is the bucket of the connection; it counts refusals."""
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
