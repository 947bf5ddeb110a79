"""Clients of the HTTP API. `Client` is for threads, `AsyncClient` for asyncio; the operations are in carillon.calls."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import inspect
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from carillon import calls
from carillon.calls import Call
from carillon.exchange import SYSTEM_CLOCK, Clock, Exchange, http_options
from carillon.results import Page
from carillon.retries import DEFAULT_RETRIES, DEFAULT_TOTAL, RetryPolicy

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT = 10.0
MAX_CONNECTIONS = 20


def _method(build: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.run(build(*args, **kwargs))

    return _described(method, build)


def _list(build: Callable[P, Call[Page[T]]]) -> Callable[Concatenate[Client, P], Iterator[T]]:
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self.pages(build(*args, **kwargs))

    return _described(method, build)


def _async_method(build: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.run(build(*args, **kwargs))

    return _described(method, build)


def _async_list(build: Callable[P, Call[Page[T]]]) -> Callable[Concatenate[AsyncClient, P], AsyncIterator[T]]:
    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        return self.pages(build(*args, **kwargs))

    return _described(method, build)


M = TypeVar("M", bound=Callable[..., Any])


def _described(method: M, build: Callable[..., Any]) -> M:
    """Give a method the name, the documentation and the signature of its operation."""
    functools.update_wrapper(method, build)
    of_build = inspect.signature(build)
    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__signature__ = of_build.replace(  # type: ignore[attr-defined]
        parameters=[self, *of_build.parameters.values()], return_annotation=inspect.Signature.empty
    )
    return method


class Client:
    """A client of one Carillon server, with the key of one tenant.

    Args:
        url: The server's, such as https://carillon.example.com.
        key: An API key (ck_live_… or ck_test_…), or a service's JWT.
        timeout: Seconds for each step of an attempt: to get a connection, to send, to wait for the answer.
        retries: Repetitions after 429, 502, 503, 504, a failed connection or a timeout, with exponential back-off and
            full jitter. `Retry-After` is a lower bound. 0 switches them off.
        total_timeout: Seconds for all attempts and pauses together.
        max_connections: The size of the pool.
        ssl_context: For a private certificate authority. Certificates are always verified.
        transport, clock, sleep: For tests.

    Methods raise ValidationError before anything is sent, ProblemError for what the server refuses, ConnectionFailed or
    TimedOut if there was no answer. Threads may share a client. Close it, or use it in a `with` statement. It opens no
    connection before its first request; after that, do not share it across a fork.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = TIMEOUT,
        retries: int = DEFAULT_RETRIES,
        total_timeout: float = DEFAULT_TOTAL,
        max_connections: int = MAX_CONNECTIONS,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Clock = SYSTEM_CLOCK,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        options = http_options(url, key, timeout, max_connections)
        self._http = httpx.Client(verify=ssl_context or True, transport=transport, **options)
        self._start = functools.partial(
            Exchange, policy=RetryPolicy(retries=retries, total=total_timeout), timeout=timeout, clock=clock
        )
        self._sleep = sleep

    def run(self, call: Call[T]) -> T:
        """Carry out a call of carillon.calls, with its retries."""
        exchange: Exchange[T] = self._start(call)
        while (pause := exchange.next_pause(self._attempt(exchange))) is not None:
            self._sleep(pause)
        return exchange.result

    def pages(self, call: Call[Page[T]]) -> Iterator[T]:
        """Iterate over a list, page by page."""
        while True:
            page = self.run(call)
            yield from page.data
            if not page.page.has_more:
                return
            call = dataclasses.replace(call, params={**call.params, "after": page.page.next})

    def _attempt(self, exchange: Exchange[Any]) -> httpx.Response | httpx.RequestError:
        try:
            return self._http.request(**exchange.request_options())
        except httpx.RequestError as error:
            return error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    send = _method(calls.send)
    send_many = _method(calls.send_many)
    get_notification = _method(calls.get_notification)
    notifications = _list(calls.notifications)
    recall = _method(calls.recall)
    deliveries = _list(calls.deliveries)
    raise_alert = _method(calls.raise_alert)
    get_alert = _method(calls.get_alert)
    alerts = _list(calls.alerts)
    count_alerts = _method(calls.count_alerts)
    delete_alert = _method(calls.delete_alert)
    publish_event = _method(calls.publish_event)
    event_types = _method(calls.event_types)
    get_event_type = _method(calls.get_event_type)
    declare_event_type = _method(calls.declare_event_type)
    withdraw_event_type = _method(calls.withdraw_event_type)
    get_user = _method(calls.get_user)
    put_user = _method(calls.put_user)
    enable_email = _method(calls.enable_email)
    delete_user = _method(calls.delete_user)
    create_token = _method(calls.create_token)
    devices = _method(calls.devices)
    put_device = _method(calls.put_device)
    delete_device = _method(calls.delete_device)
    add_to_topic = _method(calls.add_to_topic)
    remove_from_topic = _method(calls.remove_from_topic)
    open_topic = _method(calls.open_topic)
    close_topic = _method(calls.close_topic)
    inbox = _list(calls.inbox)
    read_for = _method(calls.read_for)
    read_all_for = _method(calls.read_all_for)
    delete_for = _method(calls.delete_for)
    connections = _method(calls.connections)
    send_to_connection = _method(calls.send_to_connection)
    count_connections = _method(calls.count_connections)
    dead_letters = _list(calls.dead_letters)
    redrive = _method(calls.redrive)
    get_redrive = _method(calls.get_redrive)
    rejected = _list(calls.rejected)
    usage = _method(calls.usage)


class AsyncClient:
    """The same as `Client`, for asyncio. Lists are async iterators."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        timeout: float = TIMEOUT,
        retries: int = DEFAULT_RETRIES,
        total_timeout: float = DEFAULT_TOTAL,
        max_connections: int = MAX_CONNECTIONS,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = SYSTEM_CLOCK,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        options = http_options(url, key, timeout, max_connections)
        self._http = httpx.AsyncClient(verify=ssl_context or True, transport=transport, **options)
        self._start = functools.partial(
            Exchange, policy=RetryPolicy(retries=retries, total=total_timeout), timeout=timeout, clock=clock
        )
        self._sleep = sleep

    async def run(self, call: Call[T]) -> T:
        """Carry out a call of carillon.calls, with its retries."""
        exchange: Exchange[T] = self._start(call)
        while (pause := exchange.next_pause(await self._attempt(exchange))) is not None:
            await self._sleep(pause)
        return exchange.result

    async def pages(self, call: Call[Page[T]]) -> AsyncIterator[T]:
        """Iterate over a list, page by page."""
        while True:
            page = await self.run(call)
            for item in page.data:
                yield item
            if not page.page.has_more:
                return
            call = dataclasses.replace(call, params={**call.params, "after": page.page.next})

    async def _attempt(self, exchange: Exchange[Any]) -> httpx.Response | httpx.RequestError:
        try:
            return await self._http.request(**exchange.request_options())
        except httpx.RequestError as error:
            return error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    send = _async_method(calls.send)
    send_many = _async_method(calls.send_many)
    get_notification = _async_method(calls.get_notification)
    notifications = _async_list(calls.notifications)
    recall = _async_method(calls.recall)
    deliveries = _async_list(calls.deliveries)
    raise_alert = _async_method(calls.raise_alert)
    get_alert = _async_method(calls.get_alert)
    alerts = _async_list(calls.alerts)
    count_alerts = _async_method(calls.count_alerts)
    delete_alert = _async_method(calls.delete_alert)
    publish_event = _async_method(calls.publish_event)
    event_types = _async_method(calls.event_types)
    get_event_type = _async_method(calls.get_event_type)
    declare_event_type = _async_method(calls.declare_event_type)
    withdraw_event_type = _async_method(calls.withdraw_event_type)
    get_user = _async_method(calls.get_user)
    put_user = _async_method(calls.put_user)
    enable_email = _async_method(calls.enable_email)
    delete_user = _async_method(calls.delete_user)
    create_token = _async_method(calls.create_token)
    devices = _async_method(calls.devices)
    put_device = _async_method(calls.put_device)
    delete_device = _async_method(calls.delete_device)
    add_to_topic = _async_method(calls.add_to_topic)
    remove_from_topic = _async_method(calls.remove_from_topic)
    open_topic = _async_method(calls.open_topic)
    close_topic = _async_method(calls.close_topic)
    inbox = _async_list(calls.inbox)
    read_for = _async_method(calls.read_for)
    read_all_for = _async_method(calls.read_all_for)
    delete_for = _async_method(calls.delete_for)
    connections = _async_method(calls.connections)
    send_to_connection = _async_method(calls.send_to_connection)
    count_connections = _async_method(calls.count_connections)
    dead_letters = _async_list(calls.dead_letters)
    redrive = _async_method(calls.redrive)
    get_redrive = _async_method(calls.get_redrive)
    rejected = _async_list(calls.rejected)
    usage = _async_method(calls.usage)
