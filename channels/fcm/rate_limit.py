"""How fast we may send to a project: a token bucket in Redis for all processes, which FCM's answers slow and hasten.

Google asks for throttling on the client's side, and refuses at the door whoever does not
(firebase.google.com/docs/cloud-messaging/scale-fcm). An outage of Redis lets everything through: FCM's own 429 puts it
back into the ledger for at least a minute.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

# Seconds that a batch waits for Redis at most; after a failure Redis is left alone for PAUSE.
TIMEOUT = 0.3
PAUSE = 5.0
# Refusals of at least this share of a batch mean the project and not some busy device: FCM says 429 for both.
SHARE = 0.05
# The rate is halved at most once in this time (seconds): what was under way when it was halved is refused as well.
COOL = 1.0
# Halved again and again it stays above this share of the limit, or one bad minute would cost an hour.
LEAST = 0.01
# Seconds of success in which it climbs from nothing to the limit.
CLIMB = 60.0

# By the clock of Redis. The bucket holds a second's worth and is forgotten, rate and all, when nobody has sent for as
# long as FCM's own bucket takes to fill.
_STATE = """
local limit = tonumber(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'rate', 'cut_at')
local rate = math.min(limit, tonumber(kept[3] or limit))
local tokens = math.max(1, rate)
if kept[1] then tokens = math.min(tokens, kept[1] + math.max(0, now - kept[2]) * rate) end
local cut_at = tonumber(kept[4] or 0)
local function keep()
  redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', now), 'rate', tostring(rate),
    'cut_at', string.format('%.6f', cut_at))
  redis.call('PEXPIRE', KEYS[1], 60000)
end
"""
_TAKE = (
    _STATE
    + """
local granted = math.min(tonumber(ARGV[2]), math.floor(tokens))
tokens = tokens - granted
keep()
return {granted, tostring(rate)}
"""
)
_LEARN = (
    _STATE
    + """
if ARGV[3] == '1' then
  if now - cut_at >= tonumber(ARGV[4]) then
    rate = math.max(limit * tonumber(ARGV[5]), rate / 2)
    tokens = 0
    cut_at = now
  end
else
  rate = math.min(limit, rate + tonumber(ARGV[2]) * limit / (tonumber(ARGV[6]) * rate))
end
keep()
return tostring(rate)
"""
)

_log = logging.getLogger(__name__)


class RateLimit:
    """At most `limit` messages a second to a project, over all processes; less while FCM refuses.

    Usable from any number of threads. `patience` is what a batch waits for its turn (seconds).
    """

    def __init__(
        self, redis_url: str, limit: float, patience: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._redis = redis.Redis.from_url(
            redis_url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=Retry(NoBackoff(), 0)
        )
        self._limit = limit
        self._patience = patience
        self._sleep = sleep
        self._paused_until = 0.0
        self._take = self._redis.register_script(_TAKE)
        self._learn = self._redis.register_script(_LEARN)

    def take(self, project: str, number: int) -> tuple[int, float]:
        """(how many of `number` messages may go now, the rate at which the others may follow), after a wait at most."""
        granted, rate = 0, self._limit
        waited = 0.0
        while True:
            found = self._ask(self._take, project, self._limit, number - granted)
            if found is None:
                return number, self._limit
            granted, rate = granted + int(found[0]), float(found[1])
            # Not for every single token: half a second's worth, or the rest.
            pause = max(0.001, min(number - granted, rate / 2) / rate)
            if granted >= number or waited + pause > self._patience:
                return granted, rate
            self._sleep(pause)
            waited += pause

    def learn(self, project: str, taken: int, refused: int) -> None:
        """What FCM said of a batch: `taken` messages, and `refused` of them for their number."""
        if not taken and not refused:
            return
        too_fast = refused >= SHARE * (taken + refused)
        self._ask(self._learn, project, self._limit, taken, int(too_fast), COOL, LEAST, CLIMB)

    def close(self) -> None:
        """Release the connections."""
        self._redis.close()

    def _ask(self, script: Any, project: str, *arguments: float) -> Any:
        if time.monotonic() < self._paused_until:
            return None
        try:
            return script(keys=[f"carillon:fcm:{project}"], args=arguments)
        except (redis.RedisError, OSError) as error:
            self._paused_until = time.monotonic() + PAUSE
            _log.warning("push is not paced", extra={"channel": "push", "error": type(error).__name__})
            return None
