"""Rate limits of callers and tenants. Without Redis every request is allowed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from actions.principal import Principal
from bus.token_bucket import Limit, SharedBuckets

Scope = Literal["service", "user", "operator"]


# A request costs 1, and 1 more for each of these: so that a token stands for about the same work.
BYTES = 4096
NOTIFICATIONS = 5

# Services: several times what one web process can commit, so that only a runaway loop reaches it. Users: a page with
# several tabs that all reconnect and replay at once.
LIMITS: Mapping[Scope, Limit] = {
    "service": Limit(rate=600, burst=1200),
    "user": Limit(rate=10, burst=60),
    "operator": Limit(rate=10, burst=60),
}
# All services and users of one tenant together: several services at their limit, or some thousand pages that reconnect
# at once. It protects the other tenants from one with many keys or many users.
PER_TENANT = Limit(rate=3_000, burst=6_000)


@dataclass(frozen=True, slots=True)
class RateLimitResult:
    """About the caller's bucket, or the tenant's if that one refuses. Times are in seconds."""

    allowed: bool
    scope: Literal["service", "user", "operator", "tenant"]
    limit: int
    window: int
    remaining: int
    reset: int
    retry_after: int

    def headers(self) -> dict[str, str]:
        """The headers of the answer.

        The first two are those of draft-ietf-httpapi-ratelimit-headers-10: `limit` requests in `window` seconds, where
        one with a large body counts as several. The others are those of its earlier versions, which many clients know.
        """
        headers = {
            "RateLimit-Policy": f'"{self.scope}";q={self.limit};w={self.window}',
            "RateLimit": f'"{self.scope}";r={self.remaining};t={self.reset}',
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }
        return headers if self.allowed else headers | {"Retry-After": str(self.retry_after)}


class Limiter:
    """Takes tokens for requests. Waits for Redis only briefly, and allows every request without it."""

    def __init__(self, redis_url: str, limits: Mapping[Scope, Limit] = LIMITS, per_tenant: Limit = PER_TENANT) -> None:
        self._limits = limits
        self._per_tenant = per_tenant
        self._buckets = SharedBuckets(redis_url, "requests")

    def take(self, caller: Principal, cost: int = 1) -> RateLimitResult | None:
        """Take `cost` tokens of the caller's bucket and of the tenant's. None if Redis does not answer."""
        # A tenant's id has no slash, so no two keys can collide.
        buckets = [(f"carillon:limit:{caller.kind}:{caller.tenant}/{caller.id}", self._limits[caller.kind])]
        # Operators do not count towards the tenant's limit: they are few, and need access when a tenant has used it up.
        if caller.kind != "operator":
            buckets.append((f"carillon:limit:tenant:{caller.tenant}", self._per_tenant))
        taken = self._buckets.take(buckets, cost)
        if taken is None:
            return None
        scope = caller.kind if taken.position == 0 else "tenant"
        limit = buckets[taken.position][1]
        window = math.ceil(limit.burst / limit.rate)
        return RateLimitResult(
            taken.allowed, scope, limit.burst, window, max(0, taken.remaining), taken.reset, taken.retry_after
        )

    def close(self) -> None:
        """Release the connections."""
        self._buckets.close()
