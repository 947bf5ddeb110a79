"""SIGTERM while requests arrive at full speed: each that was sent on an open connection is answered."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPException

import pytest

from tests.web.test_gunicorn import Served, serving
from web.listener import pause, resume

pytestmark = pytest.mark.slow


@pytest.fixture
def served(_sqlite_template, redis_server, tmp_path) -> Iterator[Served]:
    with serving("gevent", f"sqlite:///{_sqlite_template}", redis_server, "", tmp_path) as one:
        yield one


class Clients:
    """Threads that send requests, and what became of them."""

    def __init__(self, served: Served) -> None:
        self._address = ("127.0.0.1", int(served.url.rpartition(":")[2]))
        self._threads: list[threading.Thread] = []
        self.results: Counter[str] = Counter()

    def start(self, number: int, talk: Callable[[HTTPConnection], str]) -> None:
        """`talk` sends requests over one connection after the other, and says how it ended."""

        def run() -> None:
            while True:
                connection = HTTPConnection(*self._address, timeout=20)
                try:
                    connection.connect()
                except OSError:
                    # The port is closed: a client knows that nothing was sent.
                    return
                try:
                    result = talk(connection)
                except (HTTPException, OSError) as error:
                    result = repr(error)
                connection.close()
                self.results[f"{talk.__name__}: {result}"] += 1

        self._threads += [threading.Thread(target=run, daemon=True) for _ in range(number)]
        for thread in self._threads[-number:]:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive()


def ask(connection: HTTPConnection) -> bool:
    """One request. Whether the connection stays open."""
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    assert answer.status == 200
    answer.read()
    return not answer.will_close


def at_once(connection: HTTPConnection) -> str:
    ask(connection)
    return "answered"


def after_a_moment(connection: HTTPConnection) -> str:
    time.sleep(0.003)
    return at_once(connection)


def kept(connection: HTTPConnection) -> str:
    while ask(connection):
        time.sleep(0.003)
    return "answered"


def seldom(connection: HTTPConnection) -> str:
    while ask(connection):
        time.sleep(0.5)
    return "answered"


def test_every_request_on_an_open_connection_is_answered(served):
    clients = Clients(served)
    clients.start(3, at_once)
    clients.start(8, after_a_moment)
    clients.start(4, kept)
    clients.start(4, seldom)
    address = ("127.0.0.1", int(served.url.rpartition(":")[2]))
    idle = HTTPConnection(*address, timeout=10)
    with socket.create_connection(address, 10) as silent:
        assert ask(idle)
        time.sleep(1)
        began = time.monotonic()
        assert served.stop() == 0
        # Those that send nothing are closed after a while.
        assert time.monotonic() - began < 15
        assert silent.recv(1) == idle.sock.recv(1) == b""
    clients.join()
    assert set(clients.results) == {f"{talk.__name__}: answered" for talk in (at_once, after_a_moment, kept, seldom)}


@pytest.mark.skipif(sys.platform != "linux", reason="the filter is Linux's")
def test_a_listener_that_pauses_begins_no_connection_and_loses_none():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address, 5) as early:
            pause(listener)
            with pytest.raises(TimeoutError):
                socket.create_connection(address, 0.3)
            accepted, _ = listener.accept()
            with accepted:
                early.sendall(b"x")
                assert accepted.recv(1) == b"x"
        resume(listener)
        socket.create_connection(address, 5).close()
