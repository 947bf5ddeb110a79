"""Token buckets: in Redis, shared by all processes of an installation, and in the memory of one process."""

from __future__ import annotations

import logging
import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from bus.redis import UNAVAILABLE, connect

log = logging.getLogger(__name__)

# Everything in one step, by the clock of Redis: no two processes can spend the same token. The cost is taken of all
# buckets or of none, and the answer is about the one that refuses. A cost above what a bucket holds is taken when it is
# full, and leaves a debt. A bucket is forgotten once it would be full again.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local cost = tonumber(ARGV[1])
local buckets, about = {}, 1
for i, key in ipairs(KEYS) do
  local rate, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  local bucket = redis.call('HMGET', key, 'tokens', 'at')
  local tokens = burst
  if bucket[1] then tokens = math.min(burst, bucket[1] + math.max(0, now - bucket[2]) * rate) end
  buckets[i] = {rate, burst, tokens}
end
local allowed = 1
for i, bucket in ipairs(buckets) do
  if bucket[3] < math.min(cost, bucket[2]) then allowed, about = 0, i end
end
for i, bucket in ipairs(buckets) do
  local rate, burst = bucket[1], bucket[2]
  local tokens = bucket[3] - allowed * cost
  bucket[3] = tokens
  redis.call('HSET', KEYS[i], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.6f', now))
  redis.call('PEXPIRE', KEYS[i], math.ceil((burst - tokens) / rate * 1000) + 1000)
end
local rate, burst, tokens = unpack(buckets[about])
local wait = 0
if allowed == 0 then wait = math.ceil((math.min(cost, burst) - tokens) / rate) end
return {allowed, about, math.floor(tokens), math.ceil((burst - tokens) / rate), wait}
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """`rate` tokens a second on average, `burst` at once."""

    rate: float
    burst: int


class Taken(NamedTuple):
    """Whether the cost was taken of every bucket. The rest is about the bucket that refused, or else the first one.

    `position` is which one. `remaining` is below zero while there is a debt. `reset` is the number of seconds until the
    bucket is full, `retry_after` until it gives what was asked for.
    """

    allowed: bool
    position: int
    remaining: int
    reset: int
    retry_after: int


class SharedBuckets:
    """Buckets in Redis. Connects at the first call.

    `what` completes the log record of an outage: "rate limits" are not kept. An outage lets everything through.
    """

    def __init__(self, redis_url: str, what: str) -> None:
        self._redis = connect(redis_url)
        self._what = what
        self._take = self._redis.register_script(_TAKE)

    def take(self, buckets: Sequence[tuple[str, Limit]], cost: int = 1) -> Taken | None:
        """Take `cost` tokens of each bucket, or of none. None if Redis does not answer.

        A cost of 0 only looks.
        """
        args = [cost, *(number for _, limit in buckets for number in (limit.rate, limit.burst))]
        try:
            answer: Any = self._take(keys=[key for key, _ in buckets], args=args)
        except UNAVAILABLE as error:
            log.warning("limits are not kept", extra={"what": self._what, "error": type(error).__name__})
            return None
        allowed, about, remaining, reset, retry_after = cast(list[int], answer)
        return Taken(bool(allowed), about - 1, remaining, reset, retry_after)

    def close(self) -> None:
        """Release the connections."""
        self._redis.close()


class Bucket:
    """A token bucket in the memory of this process."""

    def __init__(self, limit: Limit, now: float) -> None:
        self._limit = limit
        self._tokens = float(limit.burst)
        self._at = now
        # Refusals since the bucket was last full.
        self.refused = 0

    def take(self, cost: int, now: float) -> bool:
        """Take `cost` tokens. False if there are fewer."""
        if self.is_full(now):
            self.refused = 0
        if self._tokens < cost:
            self.refused += 1
            return False
        self._tokens -= cost
        return True

    def is_full(self, now: float) -> bool:
        """Whether the bucket is as good as a new one."""
        self._tokens = min(self._limit.burst, self._tokens + (now - self._at) * self._limit.rate)
        self._at = now
        return self._tokens == self._limit.burst


# With more buckets than this, full ones are dropped: they say nothing.
_SWEEP = 10_000


class Buckets:
    """A bucket in memory for each key. Usable from any number of threads."""

    def __init__(self, limit: Limit, sweep: int = _SWEEP) -> None:
        self._limit = limit
        self._sweep = sweep
        self._lock = threading.Lock()
        self._buckets: dict[Hashable, Bucket] = {}

    def take(self, key: Hashable, cost: int, now: float) -> bool:
        """Take `cost` tokens of the key's bucket. False if there are fewer."""
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                if len(self._buckets) >= self._sweep:
                    self._buckets = {key: bucket for key, bucket in self._buckets.items() if not bucket.is_full(now)}
                bucket = self._buckets[key] = Bucket(self._limit, now)
            return bucket.take(cost, now)

    def __len__(self) -> int:
        return len(self._buckets)
