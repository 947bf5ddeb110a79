"""How every part of Carillon talks to Redis: in bounded time, and without retries that would hide an outage.

A process has one circuit breaker for each Redis. While it is open, commands fail at once: a Redis that stands still
costs a process one time-out in some seconds, whatever number of threads and requests use it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

from bus.circuit_breaker import CircuitBreaker

log = logging.getLogger(__name__)

# What "Redis is unavailable" looks like from here.
UNAVAILABLE = (redis.RedisError, OSError)
# Of these, what says that it does not answer. It can also answer that it is full, or that a value is of another type.
_NO_ANSWER = (redis.ConnectionError, redis.TimeoutError, OSError)

# Seconds that a caller waits for each of connect and answer. Callers keep an HTTP request or a batch waiting, and Redis
# answers within milliseconds.
TIMEOUT = 0.5
# After a failure Redis is not asked for this long (seconds), and twice as long after each try that fails.
OPEN_SECONDS, LONGEST_OPEN = 1.0, 5.0
# A try connects and asks.
_PATIENCE = 4 * TIMEOUT


@cache
def breaker_of(url: str) -> CircuitBreaker:  # noqa: ARG001 - what it is kept by
    """The circuit breaker of this process for the Redis at `url`."""
    return CircuitBreaker(OPEN_SECONDS, longest=LONGEST_OPEN, patience=_PATIENCE)


class Client(redis.Redis):
    """A client behind the circuit breaker of its Redis. Every command and every pipeline raises UNAVAILABLE.

    A subscription (`pubsub`) is not behind it: it waits anyway, and must not end because of another caller's time-out.
    """

    breaker: CircuitBreaker

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Called for each command."""
        with _through(self.breaker):
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        """A pipeline behind the same breaker."""
        pipeline = _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.breaker = self.breaker
        return pipeline


class _Pipeline(Pipeline):
    breaker: CircuitBreaker

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        if not len(self):
            # Redis is not asked.
            return []
        with _through(self.breaker):
            return super().execute(raise_on_error)


@contextmanager
def _through(breaker: CircuitBreaker) -> Iterator[None]:
    if not breaker.allows():
        raise redis.ConnectionError("Redis did not answer a moment ago")
    try:
        yield
    except redis.exceptions.MaxConnectionsError:
        # Too many callers at once, which Redis knows nothing of.
        raise
    except _NO_ANSWER as error:
        if breaker.failed():
            log.warning("redis does not answer", extra={"error": type(error).__name__})
        raise
    except redis.ResponseError:
        breaker.succeeded()
        raise
    if breaker.succeeded():
        log.info("redis answers again")


def options(timeout: float = TIMEOUT) -> dict[str, Any]:
    """Options of a client. `timeout` (seconds) bounds an answer, and connecting takes at most a second of it.

    No retries: the library's ten would hide an outage for seconds.
    """
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": min(timeout, 1.0),
        "retry": Retry(NoBackoff(), 0),
    }


def connect(url: str, timeout: float = TIMEOUT, *, text: bool = False) -> Client:
    """A client for `url`. Connects at the first command. `text`: answers are str instead of bytes."""
    # What others wrote need not be UTF-8.
    client = cast(Client, Client.from_url(url, decode_responses=text, encoding_errors="replace", **options(timeout)))
    client.breaker = breaker_of(url)
    return client
