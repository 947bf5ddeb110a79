"""How every part of Carillon talks to Redis: in bounded time, and without retries that would hide an outage."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

# What "Redis is unavailable" looks like from here.
UNAVAILABLE = (redis.RedisError, OSError)

# Seconds that a caller waits who can wait; and one who keeps an HTTP request or a batch waiting.
TIMEOUT = 2.0
SHORT_TIMEOUT = 0.3


def options(timeout: float = TIMEOUT) -> dict[str, Any]:
    """Options of a client. `timeout` (seconds) bounds an answer, and connecting takes at most a second of it.

    No retries: the library's ten would hide an outage for seconds.
    """
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, 1.0),
        "retry": Retry(NoBackoff(), 0),
    }


def connect(url: str, timeout: float = TIMEOUT, *, text: bool = False) -> redis.Redis:
    """A client for `url`. Connects at the first command. `text`: answers are str instead of bytes."""
    # What others wrote need not be UTF-8.
    return redis.Redis.from_url(url, decode_responses=text, encoding_errors="replace", **options(timeout))
