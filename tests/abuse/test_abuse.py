"""What attacks leave to others: everything. The figures are printed by python -m tests.abuse."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psutil
import pytest
import requests
from sqlalchemy import Engine

from models.sql.engine import connect
from tests import factories
from tests.abuse.attacks import frame, upgrade
from tests.abuse.served import NEWCOMERS, REQUEST_SECONDS
from tests.databases import sqlite_file
from tests.waiting import eventually
from tests.web.realtime.stack import Stack, Web
from web.realtime.transport.budget import CLIENT, STRANGER

pytestmark = pytest.mark.slow

PING = frame(9, b"")
_numbers = count(1)


@pytest.fixture(scope="module")
def web(
    tmp_path_factory: pytest.TempPathFactory, _redis_url: str, _sqlite_template: Path
) -> Iterator[tuple[Web, Engine]]:
    directory = tmp_path_factory.mktemp("abuse")
    with sqlite_file(_sqlite_template) as url:
        settings = factories.create_settings(
            directory, DATABASE_URL=url, REDIS_URL=_redis_url, CARILLON_REDIS_CHANNEL="abuse"
        )
        web = Web(settings, "gevent", directory / "web.log", application="tests.abuse.served:application()")
        engine = connect(url)
        try:
            yield web.start(), engine
        finally:
            web.stop()
            engine.dispose()


@pytest.fixture
def stack(web: tuple[Web, Engine]) -> Iterator[Stack]:
    stack = Stack(*web, f"abuse{next(_numbers)}")
    yield stack
    stack.close()


@pytest.fixture(autouse=True)
def _nothing_in_the_log(web: tuple[Web, Engine]) -> Iterator[None]:
    before = len(web[0].log().splitlines())
    yield
    lines = [json.loads(line) for line in web[0].log().splitlines()[before:] if line.startswith("{")]
    assert [line for line in lines if line["level"] not in ("DEBUG", "INFO")] == []


def connection(stack: Stack) -> socket.socket:
    return socket.create_connection(("127.0.0.1", stack.web.port), timeout=20)


def request(stack: Stack, path: str, *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{stack.web.port}", *headers, "", ""]).encode()


def received_until(one: socket.socket, pattern: bytes) -> re.Match[bytes]:
    """Read until the pattern is found in what has been received."""
    received = b""
    while True:
        data = one.recv(65_536)
        assert data, received[-200:]
        received += data
        found = re.search(pattern, received)
        if found:
            return found


def ended(one: socket.socket) -> bool:
    """Wait until the server closes the connection, and read what comes before. False if it stays open."""
    try:
        while one.recv(65_536):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def connections(stack: Stack) -> int:
    """How many connections the server has open."""
    [worker] = psutil.Process(stack.web.pid).children()
    return sum(one.laddr.port == stack.web.port and one.raddr != () for one in worker.net_connections("tcp"))


def test_connections_without_a_token_make_room_for_new_ones(stack: Stack):
    page = stack.client()
    service = requests.Session()
    service.headers["Authorization"] = f"Bearer {factories.create_api_key(stack.engine, stack.tenant)}"
    assert service.get(f"{stack.web.url}/v1/event-types", timeout=20).status_code == 200
    before = connections(stack)
    unfinished = request(stack, "/v1/notifications", "Content-Length: 60000", method="POST")
    held = []
    for n in range(5 * NEWCOMERS):
        held.append(connection(stack))
        held[-1].sendall(unfinished if n % 2 else b"GET / HT")
        # A probe comes through at any time.
        assert n % 10 or stack.web.health()
    eventually(lambda: connections(stack) <= before + NEWCOMERS)
    assert all(ended(one) for one in held[:NEWCOMERS])
    # Those who have authenticated keep their connections.
    assert page.call("notification:count", None)["ok"]
    assert service.get(f"{stack.web.url}/v1/event-types", timeout=20).status_code == 200
    assert len(service.adapters["http://"].poolmanager.pools) == 1
    assert stack.web.metric("carillon_newcomers_closed_total") >= 4 * NEWCOMERS - 1
    for one in held:
        one.close()


def test_a_request_that_never_ends_is_ended(stack: Stack):
    one = connection(stack)
    one.sendall(request(stack, "/socket.io/?EIO=4&transport=polling"))
    sid = received_until(one, rb'"sid":"([^"]+)"').group(1).decode()
    path = f"/socket.io/?EIO=4&transport=polling&sid={sid}"
    # A request that only says that it wants a WebSocket has no more time than others.
    slow = request(stack, path, "Content-Length: 60000", "Upgrade: websocket", method="POST")
    one.sendall(slow + b"4")
    began = time.monotonic()
    assert ended(one)
    assert time.monotonic() - began >= REQUEST_SECONDS - 1


def test_an_answer_that_is_never_read_is_given_up(stack: Stack):
    before = connections(stack)
    held = []
    for _ in range(5):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect(("127.0.0.1", stack.web.port))
        one.sendall(request(stack, "/openapi.json") * 100)
        held.append(one)
    eventually(lambda: connections(stack) >= before + len(held))
    eventually(lambda: connections(stack) <= before)
    for one in held:
        one.close()


def test_a_stranger_that_sends_too_much_is_disconnected(stack: Stack):
    one = upgrade(stack.web.port)
    one.settimeout(20)
    one.sendall(PING * (STRANGER.burst + 10))
    assert ended(one)


def test_a_client_that_sends_too_much_is_read_more_slowly_and_stays(stack: Stack):
    page = stack.client()
    one = upgrade(stack.web.port)
    one.sendall(frame(1, b'40{"token":"%s","dialect":"canonical"}' % stack.token("mallory").encode()))
    received_until(one, b"40{")
    # The burst is taken at once, and the rest in five seconds.
    pings = 5 * int(CLIENT.rate) + CLIENT.burst
    sent = PING * pings + frame(1, b'421["notification:count"]')
    one.sendall(sent)
    for _ in range(20):
        assert page.call("notification:count", None)["ok"]
    one.settimeout(30)
    began = time.monotonic()
    received = received_until(one, rb"431\[\{\"ok").string
    # It was not read faster than it may send.
    assert time.monotonic() - began > 3
    # Each was answered: a pong has two bytes.
    assert received.count(b"\x8a\x00") == pings
    one.close()


def test_requests_in_a_row_leave_time_for_those_of_others(stack: Stack):
    number = 3_000
    one = connection(stack)
    one.sendall(request(stack, "/healthz") * number)
    assert one.recv(16)
    assert stack.web.health()
    # Not all of them were served first.
    one.settimeout(0.001)
    answered = b""
    try:
        while len(answered) < 1 << 24:
            answered += one.recv(1 << 20)
    except TimeoutError:
        pass
    assert answered.count(b"HTTP/1.1 200") < number - 100
    one.close()
