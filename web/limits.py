"""How often a caller and a tenant may ask: token buckets in Redis, of which an outage lets everybody through."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any, Literal, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from actions.principal import Principal

log = logging.getLogger(__name__)

# A caller who is told about the limit waits for Redis this long at most, in seconds.
TIMEOUT = 0.3
# After a failure Redis is left alone for this long: an outage slows one request in five seconds, not all of them.
PAUSE = 5.0

# Everything in one step, by the clock of Redis: no two web processes can spend the same token. One is taken of every
# bucket or of none, and a bucket that refuses is the one that is told of. It is forgotten once it would be full again.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local buckets, told = {}, 1
for i, key in ipairs(KEYS) do
  local rate, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local bucket = redis.call('HMGET', key, 'tokens', 'at')
  local tokens = burst
  if bucket[1] then tokens = math.min(burst, bucket[1] + math.max(0, now - bucket[2]) * rate) end
  buckets[i] = {rate, burst, tokens}
end
local allowed = 1
for i, bucket in ipairs(buckets) do
  if bucket[3] < 1 then allowed, told = 0, i end
end
for i, bucket in ipairs(buckets) do
  local rate, burst, tokens = bucket[1], bucket[2], bucket[3] - allowed
  bucket[3] = tokens
  redis.call('HSET', KEYS[i], 'tokens', tostring(tokens), 'at', string.format('%.6f', now))
  redis.call('PEXPIRE', KEYS[i], math.ceil(burst / rate * 1000) + 1000)
end
local rate, burst, tokens = unpack(buckets[told])
local wait = 0
if allowed == 0 then wait = math.ceil((1 - tokens) / rate) end
return {allowed, told, math.floor(tokens), math.ceil((burst - tokens) / rate), wait}
"""

Scope = Literal["service", "user", "operator"]


@dataclass(frozen=True, slots=True)
class Limit:
    """`rate` requests a second on average, `burst` at once."""

    rate: float
    burst: int


# Services: some times what one web process can commit, so that only a loop gone wild meets it; a bulk request carries
# 100 notifications. Users: a page with several tabs that all reconnect and replay at once.
LIMITS: dict[Scope, Limit] = {
    "service": Limit(rate=600, burst=1200),
    "user": Limit(rate=10, burst=60),
    "operator": Limit(rate=10, burst=60),
}
# All services and users of one tenant together: several services at their limit, or some thousand pages that all come
# back at once. It keeps the other tenants' share when one of them goes wild with many keys or many users.
PER_TENANT = Limit(rate=3_000, burst=6_000)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Of the caller's bucket, or of the tenant's where that one refuses.

    `reset` is the number of seconds until it is full, `retry_after` until a request is let through.
    """

    allowed: bool
    scope: Literal["service", "user", "operator", "tenant"]
    limit: int
    remaining: int
    reset: int
    retry_after: int

    def headers(self) -> dict[str, str]:
        """The headers that tell the caller."""
        told = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }
        return told if self.allowed else told | {"Retry-After": str(self.retry_after)}


class Limiter:
    """Takes tokens. Connects at the first call; never waits longer than TIMEOUT for each of connect and answer."""

    def __init__(
        self, redis_url: str, limits: dict[Scope, Limit] | None = None, per_tenant: Limit = PER_TENANT
    ) -> None:
        self._limits = limits or LIMITS
        self._per_tenant = per_tenant
        self._redis = redis.Redis.from_url(
            redis_url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._take = self._redis.register_script(_TAKE)
        self._paused_until = 0.0

    def take(self, caller: Principal) -> Verdict | None:
        """Spend one token of the caller's bucket and of the tenant's. None where Redis does not answer."""
        now = time.monotonic()
        if now < self._paused_until:
            return None
        # Closed while we ask, if it was open: one request at a time finds out whether Redis is back.
        if self._paused_until:
            self._paused_until = now + PAUSE
        own = self._limits[caller.kind]
        # A tenant's id has no slash, so no two can collide.
        keys, limits = [f"carillon:limit:{caller.kind}:{caller.tenant}/{caller.id}"], [own]
        # Operators mend what others broke, and are few.
        if caller.kind != "operator":
            keys.append(f"carillon:limit:tenant:{caller.tenant}")
            limits.append(self._per_tenant)
        args = [number for limit in limits for number in (limit.rate, limit.burst)]
        try:
            answer: Any = self._take(keys=keys, args=args)
        except (redis.RedisError, OSError) as error:
            self._paused_until = time.monotonic() + PAUSE
            log.warning("no rate limit", extra={"error": type(error).__name__})
            return None
        self._paused_until = 0.0
        allowed, told, remaining, reset, retry_after = cast(list[int], answer)
        scope = caller.kind if told == 1 else "tenant"
        return Verdict(bool(allowed), scope, limits[told - 1].burst, remaining, reset, retry_after)

    def close(self) -> None:
        """Release the connections."""
        self._redis.close()
