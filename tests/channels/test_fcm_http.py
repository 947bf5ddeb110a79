"""The HTTP transport against an HTTP/2 server with TLS, which the lab cannot stand in for."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.settings import SettingCodes

from channels.http_batch import MAX_ANSWER, Http, fetch
from lab.certificate import Certificate
from tests.channels import support

STREAMS = 100
HEADERS = ["Expect:"]


class Server:
    """Echoes request bodies. By path: /late echoes after a moment, /hang never answers, /drop closes the connection."""

    def __init__(self, folder: Path) -> None:
        certificate = Certificate()
        self.ca = folder / "ca.pem"
        self.ca.write_text(certificate.pem)
        self.requests = 0
        self.connections = 0
        self.max_streams = 0
        self._tls = certificate.context()
        self._tls.set_alpn_protocols(["h2"])
        self.loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(5)

    def url(self, path: str = "/") -> str:
        return f"https://localhost:{self.port}{path}"

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        listening = self.loop.run_until_complete(
            self.loop.create_server(lambda: Protocol(self), "127.0.0.1", 0, ssl=self._tls)
        )
        self.port = listening.sockets[0].getsockname()[1]
        self._ready.set()
        self.loop.run_forever()
        listening.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0.05))
        self.loop.close()


class Protocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._h2 = H2Connection(H2Configuration(client_side=False))
        self._open: dict[int, tuple[str, bytearray]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections += 1
        self._h2.initiate_connection()
        self._h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: STREAMS})
        transport.write(self._h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            if isinstance(event, RequestReceived):
                path = dict(event.headers or ()).get(b":path", b"").decode()
                self._open[event.stream_id] = (path, bytearray())
                self._server.requests += 1
                self._server.max_streams = max(self._server.max_streams, len(self._open))
            elif isinstance(event, DataReceived):
                self._open[event.stream_id][1].extend(event.data)
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                late = self._open[event.stream_id][0] == "/late"
                self._server.loop.call_later(0.05 if late else 0, self._answer, event.stream_id)
        self._transport.write(self._h2.data_to_send())

    def _answer(self, stream: int) -> None:
        path, body = self._open[stream]
        if path == "/hang":
            return
        if path == "/drop":
            self._transport.abort()
            return
        del self._open[stream]
        self._h2.send_headers(stream, [(":status", "200")])
        self._h2.send_data(stream, bytes(body), end_stream=True)
        self._transport.write(self._h2.data_to_send())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def http(server: Server) -> Iterator[Http]:
    http = Http(1.0, str(server.ca))
    yield http
    http.close()


def bodies(number: int) -> list[bytes]:
    return [b"body %d " % n * 40 for n in range(number)]


def test_a_batch_shares_a_few_connections(server: Server) -> None:
    # On a busy machine the server needs more than a second for all of them.
    http = Http(30.0, str(server.ca))
    answers = http.post(server.url("/late"), HEADERS, bodies(500))
    http.close()
    assert [answer.body for answer in answers] == bodies(500)
    assert {answer.status for answer in answers} == {200}
    # Five connections carry all requests; a sixth may be opened while the first is still in its TLS handshake.
    assert server.connections <= 6
    assert server.max_streams == STREAMS


def test_connections_are_kept_between_batches(server: Server, http: Http) -> None:
    for _ in range(5):
        http.post(server.url(), HEADERS, bodies(20))
    assert server.connections == 1


def test_each_thread_uses_its_own_connection(server: Server, http: Http) -> None:
    results = support.threads(
        4, lambda _: [a.body for _ in range(5) for a in http.post(server.url(), HEADERS, bodies(20))]
    )
    assert results == [bodies(20) * 5] * 4
    assert server.connections <= 4


def test_a_failed_request_is_not_repeated(server: Server, http: Http) -> None:
    http.post(server.url(), HEADERS, bodies(20))
    before = server.requests
    answers = http.post(server.url("/drop"), HEADERS, bodies(1))
    assert [answer.status for answer in answers] == [0]
    assert answers[0].error
    assert server.requests - before == 1


@pytest.mark.slow
def test_a_hanging_request_ends_at_the_timeout_and_its_connection_is_closed(server: Server, http: Http) -> None:
    began = time.monotonic()
    answers = http.post(server.url("/hang"), HEADERS, bodies(150))
    assert 0.9 < time.monotonic() - began < 10
    assert {(answer.status, answer.timed_out) for answer in answers} == {(0, True)}
    before = server.connections
    assert http.post(server.url(), HEADERS, bodies(1))[0].status == 200
    assert server.connections == before + 1


def test_an_answer_is_returned_as_soon_as_it_arrives(server: Server) -> None:
    http = Http(30.0, str(server.ca))
    http.post(server.url(), HEADERS, bodies(1))
    began = time.monotonic()
    for _ in range(100):
        assert http.post(server.url(), HEADERS, bodies(1))[0].status == 200
    # A single missed wake-up would take as long as the timeout.
    assert time.monotonic() - began < 20
    http.close()


def test_nothing_is_sent_to_a_server_with_an_untrusted_certificate(server: Server) -> None:
    http = Http(1.0)
    answers = http.post(server.url(), HEADERS, bodies(3))
    http.close()
    assert [answer.status for answer in answers] == [0, 0, 0]
    assert server.requests == 0
    assert fetch(server.url(), timeout=1).status == 0


@pytest.mark.parametrize("length", [b"", b"Content-Length: 100000000\r\n"])
def test_an_answer_that_is_too_large_is_an_error(length: bytes) -> None:
    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n")
        while True:
            connection.sendall(b"x" * MAX_ANSWER)

    http = Http(30.0)
    with support.server(talk) as port:
        began = time.monotonic()
        [answer] = http.post(f"http://127.0.0.1:{port}/", HEADERS, [b"body"])
        assert time.monotonic() - began < 20
    http.close()
    assert answer.status == 0
    assert answer.error


def test_close_closes_every_connection(server: Server) -> None:
    http = Http(1.0, str(server.ca))
    http.post(server.url(), HEADERS, bodies(1))
    http.close()
    http.close()
    assert support.connections_to(server.port) == set()


def test_fetch_accepts_http_and_https_only(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    assert fetch(f"file://{tmp_path}/secret", timeout=1).body == b""
