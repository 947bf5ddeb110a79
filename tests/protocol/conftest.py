"""The server under test: ours, and python-socketio by itself. Where one deviates from the protocol, it is said here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from actions.installation import utc_now
from models.sql.engine import connect
from tests import factories
from tests.databases import ROOT, PostgreSQL
from tests.waiting import eventually
from tests.web.realtime.stack import Web

OURS, PLAIN = "carillon", "python-socketio"

PING_INTERVAL, PING_TIMEOUT = 1, 1

# By test: who does not do it as the protocol's text and its official test suite have it, and why we leave that.
_MISSING_TRANSPORT = "python-engineio takes a missing transport for polling, which harms nobody"
_METHOD = "405 instead of 400, which is what HTTP has for a method"
_WAITS = "waits for the client to fetch what is queued, or answers OK"
_STAYS = "logs a traceback, and the connection stays"
DEVIATIONS: dict[str, dict[str, str]] = {
    "test_a_missing_transport_is_refused": {OURS: _MISSING_TRANSPORT, PLAIN: _MISSING_TRANSPORT},
    "test_other_methods_are_refused": {OURS: _METHOD, PLAIN: _METHOD},
    "test_a_request_with_packets_is_answered_with_ok": {PLAIN: "answers OK in capitals"},
    "test_a_request_with_anything_else_ends_the_session": {PLAIN: _WAITS},
    "test_a_request_that_is_too_large_ends_the_session": {PLAIN: _WAITS},
    "test_two_polls_at_a_time_end_the_session": {PLAIN: "serves both, and each takes packets from the other"},
    "test_a_message_that_is_not_a_packet_ends_the_websocket": {PLAIN: "the request ends, and the connection stays"},
    "test_a_connection_without_a_handshake_ends": {PLAIN: "waits for ever"},
    "test_a_malformed_packet_ends_the_connection": {PLAIN: _STAYS},
    "test_a_malformed_handshake_ends_the_connection": {PLAIN: _STAYS},
    "test_a_close_packet_ends_a_polled_session_and_its_poll": {PLAIN: "answers the poll without a packet"},
}


@dataclass
class Server:
    """A server of the protocol."""

    name: str
    url: str
    token: str
    pid: int
    log: Path
    # Seconds to wait for an answer. For some packets python-socketio never gives one.
    patience: float

    @property
    def websocket(self) -> str:
        return self.url.replace("http", "ws")

    def auth(self) -> str:
        return f'{{"token":"{self.token}","dialect":"canonical"}}'

    def descriptors(self) -> int:
        """Open descriptors of all its processes."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in children)


def _start_ours(stack: ExitStack, directory: Path, url: str, redis_url: str) -> Server:
    settings = factories.create_settings(
        directory, DATABASE_URL=url, REDIS_URL=redis_url, CARILLON_REDIS_CHANNEL="protocol"
    )
    pings = {"SOCKETIO_PING_INTERVAL": str(PING_INTERVAL), "SOCKETIO_PING_TIMEOUT": str(PING_TIMEOUT)}
    web = Web(settings, "gevent", directory / "web.log", **pings)
    stack.callback(web.stop)
    web.start()
    engine = connect(url)
    stack.callback(engine.dispose)
    factories.create_tenant(engine, "acme", utc_now())
    return Server(OURS, web.url, factories.create_token(settings), web.pid, directory / "web.log", 15)


def _start_plain(stack: ExitStack, directory: Path) -> Server:
    port = factories.free_port()
    log = directory / "plain.log"
    environ = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    environ |= {"SOCKETIO_PING_INTERVAL": str(PING_INTERVAL), "SOCKETIO_PING_TIMEOUT": str(PING_TIMEOUT)}
    command = [str(Path(sys.executable).parent / "gunicorn"), "-b", f"127.0.0.1:{port}", "-k", "gevent"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "tests.protocol.plain:application"], cwd=ROOT, env=environ, stdout=output, stderr=output
        )
    stack.callback(process.wait)
    stack.callback(process.kill)
    stack.callback(process.terminate)
    server = Server(PLAIN, f"http://127.0.0.1:{port}", "unused", process.pid, log, 1.5)

    def answers() -> bool:
        try:
            return requests.get(server.url, timeout=1).status_code == 404
        except requests.RequestException:
            return False

    eventually(answers)
    return server


@pytest.fixture(scope="session")
def _ours(tmp_path_factory: pytest.TempPathFactory, _redis_url: str, _postgresql: PostgreSQL) -> Iterator[Server]:
    with ExitStack() as stack:
        url = stack.enter_context(_postgresql.database())
        yield _start_ours(stack, tmp_path_factory.mktemp("ours"), url, _redis_url)


@pytest.fixture(scope="session")
def _plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ExitStack() as stack:
        yield _start_plain(stack, tmp_path_factory.mktemp("plain"))


@pytest.fixture(params=[OURS, pytest.param(PLAIN, marks=pytest.mark.long)])
def server(request: pytest.FixtureRequest) -> Server:
    name = request.param
    reason = DEVIATIONS.get(request.node.originalname, {}).get(name)
    if reason:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    found: Server = request.getfixturevalue("_ours" if name == OURS else "_plain")
    return found


@pytest.fixture
def ours(_ours: Server) -> Server:
    return _ours
