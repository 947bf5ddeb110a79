"""A scripted server without a socket (httpx.MockTransport), and a clock that only sleeping moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from carillon.client import AsyncClient, Client
from carillon.exchange import Clock

KEY = "ck_live_secret"
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
ACCEPTED = {
    "id": "0193ec00-0000-7000-8000-000000000000",
    "status": "accepted",
    "created_at": "2026-11-26T12:00:00.000Z",
}

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def problem(
    status: int, code: str = "some_code", headers: dict[str, str] | None = None, **members: Any
) -> httpx.Response:
    """An answer with a problem document, as the server writes it."""
    document = {"type": f"urn:carillon:problem:{code}", "title": "T", "status": status, "code": code, "detail": "D"}
    return httpx.Response(status, json=document | members, headers=headers)


class Server:
    """Answers request by request; the last answer is repeated. `requests` are those it received."""

    def __init__(self, *answers: Answer, fraction: float = 0.5, takes: float = 0.0) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []
        self.time = 0.0
        self.takes = takes
        self.clock = Clock(
            monotonic=lambda: self.time, now=lambda: NOW + timedelta(seconds=self.time), fraction=lambda: fraction
        )

    def answer(self, request: httpx.Request) -> httpx.Response:
        """The handler of the transport."""
        self.requests.append(request)
        self.time += self.takes
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        response = answer if isinstance(answer, httpx.Response) else answer(request)
        # One can be read once, and either by a synchronous client or by an asynchronous one.
        return httpx.Response(response.status_code, headers=response.headers, content=response.content)

    def sleep(self, seconds: float) -> None:
        """Pass the time."""
        self.pauses.append(seconds)
        self.time += seconds

    def client(self, url: str = "https://carillon.test", **options: Any) -> Client:
        """A client of this server."""
        transport = httpx.MockTransport(self.answer)
        return Client(url, KEY, transport=transport, clock=self.clock, sleep=self.sleep, **options)

    def async_client(self, **options: Any) -> AsyncClient:
        """The same for asyncio."""

        async def sleep(seconds: float) -> None:
            self.sleep(seconds)

        transport = httpx.MockTransport(self.answer)
        return AsyncClient("https://carillon.test", KEY, transport=transport, clock=self.clock, sleep=sleep, **options)
