"""How often one user may poll: once in an interval, kept in Redis. An outage of Redis lets everybody through."""

from __future__ import annotations

import logging
import math
import time
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from web.limits import PAUSE, TIMEOUT

log = logging.getLogger(__name__)


class PollInterval:
    """Connects at the first call; never waits longer than TIMEOUT for each of connect and answer."""

    def __init__(self, redis_url: str, interval: float) -> None:
        # A browser's timer is not exact: what comes a little early is not refused.
        self._milliseconds = round(interval * 900)
        self._redis = redis.Redis.from_url(
            redis_url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._paused_until = 0.0

    def enter(self, tenant: str, user: str) -> int:
        """0 if the user may poll now, or else the seconds to wait."""
        if time.monotonic() < self._paused_until:
            return 0
        key = self._key(tenant, user)
        try:
            if self._redis.set(key, 1, px=self._milliseconds, nx=True):
                return 0
            left: Any = self._redis.pttl(key)
        except (redis.RedisError, OSError) as error:
            self._paused_until = time.monotonic() + PAUSE
            log.warning("polling is not paced", extra={"error": type(error).__name__})
            return 0
        # Negative: it has ended between the two questions.
        return math.ceil(cast(int, left) / 1000) if left > 0 else 0

    def excuse(self, tenant: str, user: str) -> None:
        """The user may come again at once: there is more to fetch."""
        try:
            self._redis.delete(self._key(tenant, user))
        except (redis.RedisError, OSError):
            return

    def close(self) -> None:
        """Release the connections."""
        self._redis.close()

    def _key(self, tenant: str, user: str) -> str:
        # A tenant's id has no slash, so no two can collide.
        return f"carillon:poll:{tenant}/{user}"
