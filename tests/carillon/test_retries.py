"""When requests are repeated and when not, with a clock that only sleeping moves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import carillon
from carillon.retries import RetryPolicy, parse_retry_after
from tests.carillon.server import ACCEPTED, Server, problem

OK = httpx.Response(202, json=ACCEPTED)
HELLO = {"audience": {"users": ["alice"]}, "title": "Hello", "message": "World"}
EVENT = {"audience": {"tenant": True}, "type": "invoice:paid", "data": {}}
PUBLISHED = httpx.Response(202, json={"accepted": 1})

BROKEN = [
    httpx.ReadTimeout("late"),
    httpx.ReadError("broken"),
    httpx.RemoteProtocolError("gone"),
    httpx.WriteError("x"),
]
NOT_SENT = [httpx.ConnectError("refused"), httpx.ConnectTimeout("late"), httpx.PoolTimeout("busy")]


@pytest.mark.parametrize("first", [*BROKEN, *NOT_SENT, *(problem(status) for status in (429, 502, 503, 504))])
def test_a_send_is_repeated_with_the_same_key(first):
    server = Server(first, OK)
    assert server.client().send(**HELLO).id == ACCEPTED["id"]
    keys = [request.headers["Idempotency-Key"] for request in server.requests]
    assert len(keys) == 2
    assert keys[0] == keys[1]


@pytest.mark.parametrize("first", [*NOT_SENT, problem(429), problem(503)])
def test_an_event_is_repeated_where_it_cannot_have_been_published(first):
    server = Server(first, PUBLISHED)
    assert server.client().publish_event(**EVENT) == 1
    assert len(server.requests) == 2


@pytest.mark.parametrize("first", [*BROKEN, problem(502), problem(504)])
def test_an_event_is_not_repeated_where_it_may_have_been(first):
    server = Server(first, PUBLISHED)
    with pytest.raises(carillon.CarillonError):
        server.client().publish_event(**EVENT)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 415, 422, 500, 302])
def test_what_a_repetition_would_not_change_is_not_repeated(status):
    server = Server(problem(status), OK)
    with pytest.raises(carillon.ProblemError):
        server.client().send(**HELLO)
    assert len(server.requests) == 1


def test_a_request_that_httpx_refuses_is_not_repeated():
    server = Server(httpx.LocalProtocolError("illegal header"), OK)
    with pytest.raises(carillon.ConnectionFailed):
        server.client().send(**HELLO)
    assert server.pauses == []


def test_pauses_double_up_to_a_cap():
    server = Server(problem(503), fraction=1.0)
    with pytest.raises(carillon.Unavailable):
        server.client(retries=7, total_timeout=1000).send(**HELLO)
    assert server.pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]


def test_the_number_of_repetitions_is_bounded():
    server = Server(problem(503))
    with pytest.raises(carillon.Unavailable):
        server.client().send(**HELLO)
    assert len(server.requests) == 5
    server = Server(problem(503))
    with pytest.raises(carillon.Unavailable):
        server.client(retries=0).send(**HELLO)
    assert len(server.requests) == 1


def test_the_total_time_is_bounded():
    server = Server(httpx.ReadTimeout("late"), takes=10.0)
    with pytest.raises(carillon.TimedOut):
        server.client(retries=100, total_timeout=35).send(**HELLO)
    assert len(server.requests) == 4
    # The last attempt gets what is left.
    assert [request.extensions["timeout"]["read"] for request in server.requests][:1] == [10.0]
    assert server.requests[3].extensions["timeout"]["read"] < 5.0


def test_retry_after_is_a_lower_bound():
    for value in ("3", "Thu, 26 Nov 2026 12:00:03 GMT"):
        server = Server(problem(429, headers={"Retry-After": value}), OK, fraction=0.0)
        server.client().send(**HELLO)
        assert server.pauses == [3.0]


def test_a_retry_after_beyond_the_total_time_is_not_waited_for():
    server = Server(problem(429, headers={"Retry-After": "3600"}), OK)
    with pytest.raises(carillon.RateLimited) as limited:
        server.client().send(**HELLO)
    assert limited.value.retry_after == 3600
    assert server.pauses == []


def test_a_delete_whose_answer_was_lost_has_succeeded():
    server = Server(httpx.ReadTimeout("late"), problem(404))
    server.client().delete_user("alice")
    for first in (httpx.ConnectError("refused"), problem(503)):
        with pytest.raises(carillon.NotFound):
            Server(first, problem(404)).client().delete_user("alice")
    with pytest.raises(carillon.NotFound):
        Server(problem(404)).client().delete_user("alice")


def test_the_same_with_asyncio():
    async def run() -> None:
        server = Server(httpx.ReadTimeout("late"), problem(503, headers={"Retry-After": "2"}), OK, fraction=0.0)
        async with server.async_client() as client:
            assert (await client.send(**HELLO)).id == ACCEPTED["id"]
        assert server.pauses == [0.0, 2.0]
        server = Server(httpx.ReadTimeout("late"))
        async with server.async_client() as client:
            with pytest.raises(carillon.TimedOut):
                await client.publish_event(**EVENT)
        assert len(server.requests) == 1

    asyncio.run(run())


@given(st.integers(1, 30), st.floats(0, 1), st.none() | st.floats(0, 100), st.floats(0, 100))
def test_a_pause_is_never_shorter_than_asked_for_nor_longer_than_allowed(attempts, fraction, retry_after, elapsed):
    policy = RetryPolicy(retries=20)
    pause = policy.pause(attempts, elapsed, retry_after, fraction)
    if pause is None:
        assert attempts > 20 or elapsed + policy.cap + (retry_after or 0) >= policy.total
    else:
        assert (retry_after or 0) <= pause <= (retry_after or 0) + policy.cap
        assert elapsed + pause < policy.total


def test_a_longer_row_of_failures_means_longer_pauses():
    policy = RetryPolicy(retries=20, total=1e9)
    pauses = [policy.pause(n, 0, None, 1.0) or 0 for n in range(1, 21)]
    assert all(shorter <= longer for shorter, longer in pairwise(pauses))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("0", 0.0),
        ("120", 120.0),
        ("Thu, 26 Nov 2026 12:02:00 GMT", 120.0),
        ("Thu, 26 Nov 2026 11:00:00 GMT", 0.0),
        ("Thu, 26 Nov 2026 12:02:00 -0000", 120.0),
        ("Thu, 32 Nov 2026 12:02:00 GMT", None),
    ],
)
def test_retry_after_is_a_number_or_a_date(value, seconds):
    assert parse_retry_after(value, datetime(2026, 11, 26, 12, 0, tzinfo=UTC)) == seconds


@given(st.text())
def test_no_retry_after_makes_it_raise(value):
    seconds = parse_retry_after(value, datetime(2026, 11, 26, tzinfo=UTC))
    assert seconds is None or seconds >= 0
