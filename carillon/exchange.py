"""One call with its retries, without I/O: what to send, how long to wait, what to return or raise."""

from __future__ import annotations

import logging
import platform
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

import httpx

import carillon
from carillon.calls import Call
from carillon.problems import CarillonError, ConnectionFailed, TimedOut, problem_error
from carillon.retries import REFUSED, UNKNOWN, RetryPolicy, parse_retry_after

log = logging.getLogger(__name__)

T = TypeVar("T")

# The request has not left this process.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# No repetition changes these.
_PERMANENT = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.DecodingError, httpx.TooManyRedirects)


@dataclass(frozen=True, slots=True)
class Clock:
    """Clocks, and random fractions for jitter. Tests replace them."""

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    fraction: Callable[[], float] = random.random


SYSTEM_CLOCK = Clock()


def http_options(url: str, key: str, timeout: float, max_connections: int) -> dict[str, Any]:
    """Return the options of httpx.Client and httpx.AsyncClient. Raises ValueError for a URL or key that cannot be."""
    parts = urlsplit(url)
    usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    # httpx would send a user name of the URL in place of the key.
    if not usable or parts.username or parts.query or parts.fragment:
        raise ValueError("url must be that of the server, such as https://carillon.example.com")
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("key must be an API key (ck_live_… or ck_test_…) or a service's JWT")
    return {
        "base_url": url,
        "headers": {
            "Authorization": f"Bearer {key}",
            "Accept": "application/json",
            "User-Agent": f"carillon-python/{carillon.__version__} python/{platform.python_version()}",
        },
        "timeout": timeout,
        "limits": httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
    }


@dataclass(slots=True)
class Exchange(Generic[T]):
    """One call and its attempts.

    Send a request with `request_options()` and pass its response or error to `next_pause()`. That returns the seconds
    to sleep before the next attempt, or None once `result` is available.
    """

    call: Call[T]
    policy: RetryPolicy
    timeout: float
    clock: Clock
    attempts: int = 0
    _started: float = field(init=False)
    _result: list[T] = field(init=False, default_factory=list)
    _perhaps_done: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._started = self.clock.monotonic()

    @property
    def result(self) -> T:
        """The result, once `next_pause` has returned None."""
        return self._result[0]

    def request_options(self) -> dict[str, Any]:
        """Return the arguments of httpx's `request` for the next attempt."""
        options: dict[str, Any] = {
            "method": self.call.method,
            "url": self.call.path,
            "headers": dict(self.call.headers),
            "params": dict(self.call.params),
            "timeout": min(self.timeout, max(0.001, self.policy.total - self._elapsed())),
        }
        return options if self.call.json is None else options | {"json": self.call.json}

    def next_pause(self, outcome: httpx.Response | httpx.RequestError) -> float | None:
        """Return the seconds to wait before the next attempt, or None if the call is done.

        Raises ProblemError, UnexpectedAnswer, ConnectionFailed or TimedOut if it failed and is not repeated.
        """
        self.attempts += 1
        if isinstance(outcome, httpx.Response):
            return self._after_response(outcome)
        not_sent = isinstance(outcome, _NOT_SENT)
        repeatable = (not_sent or self.call.repeatable) and not isinstance(outcome, _PERMANENT)
        error = _transport_error(outcome)
        self._perhaps_done |= not not_sent
        return self._pause_or_raise(error, repeatable, None, outcome)

    def _after_response(self, response: httpx.Response) -> float | None:
        if response.is_success:
            self._result.append(self.call.parse(response))
            return None
        if response.status_code == 404 and self.call.absent_is_done and self._perhaps_done:
            self._result.append(self.call.parse(response))
            return None
        retry_after = parse_retry_after(response.headers.get("Retry-After"), self.clock.now())
        error = problem_error(
            response.status_code,
            response.content,
            request_id=response.headers.get("X-Request-Id"),
            retry_after=retry_after,
        )
        unknown = response.status_code in UNKNOWN
        self._perhaps_done |= unknown
        repeatable = response.status_code in REFUSED or (unknown and self.call.repeatable)
        return self._pause_or_raise(error, repeatable, retry_after, None)

    def _pause_or_raise(
        self, error: CarillonError, repeatable: bool, retry_after: float | None, cause: Exception | None
    ) -> float:
        pause = None
        if repeatable:
            pause = self.policy.pause(self.attempts, self._elapsed(), retry_after, self.clock.fraction())
        if pause is None:
            raise error from cause
        log.debug("retrying", extra={"attempt": self.attempts, "pause": pause, "error": type(error).__name__})
        return pause

    def _elapsed(self) -> float:
        return self.clock.monotonic() - self._started


def _transport_error(error: httpx.RequestError) -> CarillonError:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return TimedOut(what) if isinstance(error, httpx.TimeoutException) else ConnectionFailed(what)
