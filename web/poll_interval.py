"""The rate limit of polling: once in an interval for each user. Without Redis every poll is allowed."""

from __future__ import annotations

from bus.token_bucket import Limit, SharedBuckets


class PollInterval:
    """A token bucket of one token for each user. `interval` is in seconds."""

    def __init__(self, redis_url: str, interval: float) -> None:
        # A browser's timer is not exact: a request that comes a little early is not refused.
        self._limit = Limit(rate=1 / (0.9 * interval), burst=1)
        self._buckets = SharedBuckets(redis_url, "polling")

    def enter(self, tenant: str, user: str) -> int:
        """0 if the user can poll now, or else the seconds to wait."""
        taken = self._buckets.take([(_key(tenant, user), self._limit)])
        return 0 if taken is None or taken.allowed else taken.retry_after

    def excuse(self, tenant: str, user: str) -> None:
        """Let the user poll again at once: there is more to fetch."""
        self._buckets.refill(_key(tenant, user))

    def close(self) -> None:
        """Release the connections."""
        self._buckets.close()


def _key(tenant: str, user: str) -> str:
    # A tenant's id has no slash, so no two keys can collide.
    return f"carillon:poll-interval:{tenant}/{user}"
