"""How every part of Carillon talks to Redis."""

from __future__ import annotations

from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry


def redis_options() -> dict[str, Any]:
    """How to talk to Redis in bounded time: no retries, because the default ten hide an outage for seconds."""
    return {"socket_timeout": 2, "socket_connect_timeout": 1, "retry": Retry(NoBackoff(), 0)}
