"""A token bucket in Redis whose rate adapts: refusals of the provider halve it, and successes raise it again.

Made for FCM. Google asks for throttling on the client's side, and refuses a project that does not throttle
(firebase.google.com/docs/cloud-messaging/scale-fcm). An outage of Redis lets everything through: FCM's own 429 puts it
back into the ledger for at least a minute.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from bus.redis import UNAVAILABLE, connect

# Refusals of at least this share of a batch mean the project and not one busy device: FCM answers 429 for both.
MIN_REFUSED_SHARE = 0.05
# The rate is halved at most once in this time (seconds): messages in flight at that moment are refused as well.
HALVING_INTERVAL = 1.0
# Halved again and again, the rate stays above this share of the limit, or one bad minute would cost an hour.
MIN_SHARE = 0.01
# Seconds of success in which the rate climbs from nothing to the limit.
CLIMB_SECONDS = 60.0

# By the clock of Redis. The bucket holds a second's worth of tokens. It is forgotten, with its rate, when nothing was
# sent for as long as FCM's own bucket takes to fill.
_STATE = """
local limit = tonumber(ARGV[1])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'rate', 'cut_at')
local rate = math.min(limit, tonumber(kept[3] or limit))
local tokens = math.max(1, rate)
if kept[1] then tokens = math.min(tokens, kept[1] + math.max(0, now - kept[2]) * rate) end
-- A cut of the future was made before the clock was set back.
local cut_at = tonumber(kept[4] or 0)
if cut_at > now then cut_at = 0 end
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


class Granted(NamedTuple):
    """How many messages can go now, and the rate (a second) at which the others can follow."""

    number: int
    rate: float


class AdaptiveRate:
    """At most `limit` messages a second to a project over all processes, and fewer while the provider refuses.

    Usable from any number of threads. A batch waits at most `max_wait` seconds for its turn.
    """

    def __init__(
        self, redis_url: str, limit: float, max_wait: float, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._redis = connect(redis_url)
        self._limit = limit
        self._max_wait = max_wait
        self._sleep = sleep
        self._take = self._redis.register_script(_TAKE)
        self._learn = self._redis.register_script(_LEARN)

    def take(self, project: str, number: int, max_wait: float = math.inf) -> Granted:
        """Take tokens for `number` messages, waiting for them if need be, but no longer than `max_wait` seconds."""
        max_wait = min(max_wait, self._max_wait)
        granted, rate = 0, self._limit
        waited = 0.0
        while True:
            found = self._ask(self._take, project, self._limit, number - granted)
            if found is None:
                return Granted(number, self._limit)
            granted, rate = granted + int(found[0]), float(found[1])
            # Not for every single token: for half a second's worth, or the rest.
            pause = max(0.001, min(number - granted, rate / 2) / rate)
            if granted >= number or waited + pause > max_wait:
                return Granted(granted, rate)
            self._sleep(pause)
            waited += pause

    def learn(self, project: str, taken: int, refused: int) -> None:
        """Report the answers to a batch: how many messages were `taken`, and how many `refused` for their number."""
        if not taken and not refused:
            return
        too_fast = refused >= MIN_REFUSED_SHARE * (taken + refused)
        self._ask(self._learn, project, self._limit, taken, int(too_fast), HALVING_INTERVAL, MIN_SHARE, CLIMB_SECONDS)

    def close(self) -> None:
        """Release the connections."""
        self._redis.close()

    def _ask(self, script: Any, project: str, *arguments: float) -> Any:
        try:
            return script(keys=[f"carillon:fcm:{project}"], args=arguments)
        except UNAVAILABLE as error:
            _log.warning("rate limit not applied", extra={"project": project, "error": type(error).__name__})
            return None
