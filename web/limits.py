"""How often a caller may ask: one token bucket each, in Redis. An outage of Redis lets everybody through."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any, Literal, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from web.auth import Principal

log = logging.getLogger(__name__)

# A caller who is told about the limit waits for Redis this long at most, in seconds.
TIMEOUT = 0.3
# After a failure Redis is left alone for this long: an outage slows one request in five seconds, not all of them.
PAUSE = 5.0

# Everything in one step, by the clock of Redis: no two web processes can spend the same token. The bucket is forgotten
# once it would be full again.
_TAKE = """
local rate, burst, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local bucket = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if bucket[1] then tokens = math.min(burst, bucket[1] + math.max(0, now - bucket[2]) * rate) end
local allowed = tokens >= cost
if allowed then tokens = tokens - cost end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
local wait = 0
if not allowed then wait = math.ceil((cost - tokens) / rate) end
return {allowed and 1 or 0, math.floor(tokens), math.ceil((burst - tokens) / rate), wait}
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


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reset` is the number of seconds until the bucket is full, `retry_after` until a request is let through."""

    allowed: bool
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

    def __init__(self, redis_url: str, limits: dict[Scope, Limit] | None = None) -> None:
        self._limits = limits or LIMITS
        self._redis = redis.Redis.from_url(
            redis_url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._take = self._redis.register_script(_TAKE)
        self._paused_until = 0.0

    def take(self, caller: Principal) -> Verdict | None:
        """Spend one token of the caller's bucket. None where Redis did not answer: then nobody is held up."""
        now = time.monotonic()
        if now < self._paused_until:
            return None
        # Closed while we ask, if it was open: one request at a time finds out whether Redis is back.
        if self._paused_until:
            self._paused_until = now + PAUSE
        limit = self._limits[caller.kind]
        key = f"carillon:limit:{caller.kind}:{caller.tenant}:{caller.id}"
        try:
            answer: Any = self._take(keys=[key], args=[limit.rate, limit.burst, 1])
        except (redis.RedisError, OSError) as error:
            self._paused_until = time.monotonic() + PAUSE
            log.warning("no rate limit", extra={"error": type(error).__name__})
            return None
        self._paused_until = 0.0
        allowed, remaining, reset, retry_after = cast(list[int], answer)
        return Verdict(bool(allowed), limit.burst, remaining, reset, retry_after)

    def close(self) -> None:
        """Release the connections."""
        self._redis.close()
