"""The web process as it runs in production: gunicorn, gevent or threads, a real database and a real Redis."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from sqlalchemy import Engine

import carillon
from models.sql.engine import write
from models.users.tables import users
from tests.databases import ROOT
from tests.factories import create_users, free_port
from tests.missing import skip_unless_ci
from tests.sockets import SocketClient
from tests.web.callers import BODY

pytestmark = pytest.mark.slow


@dataclass
class Served:
    process: subprocess.Popen[bytes]
    url: str
    log: Path
    key: str

    def ask(self, method: str, path: str, **more) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        return requests.request(method, self.url + path, headers=headers, timeout=20, **more)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@pytest.fixture(params=["gevent", "threading"])
def served(request, database_url, redis_server, api_key, tmp_path) -> Iterator[Served]:
    with serving(request.param, database_url, redis_server, api_key, tmp_path) as one:
        yield one


@contextmanager
def serving(
    mode: str, database_url: str, redis_url: str, key: str, directory: Path, host: str = "127.0.0.1", **other: str
) -> Iterator[Served]:
    address = f"{host}:{free_port()}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")} | {
        "CARILLON_ENV": "development",
        "CARILLON_VAR": str(directory),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "BROKER_URL": redis_url,
        "SOCKETIO_ASYNC_MODE": mode,
        **other,
    }
    gunicorn = Path(sys.executable).with_name("gunicorn")
    log = directory / "log"
    # From another directory: nothing may depend on where the process was started but --chdir, which a Procfile implies.
    process = subprocess.Popen(
        [gunicorn, "-c", "web/gunicorn.py", "-b", address, "web.app:create_app()"],
        cwd=ROOT,
        env=environ,
        stderr=log.open("wb"),
    )
    one = Served(process, f"http://{address}", log, key)
    try:
        _wait(one)
        yield one
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _wait(one: Served) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and one.process.poll() is None:
        try:
            if requests.get(one.url + "/healthz", timeout=5).status_code == 200:
                return
        except (requests.ConnectionError, requests.Timeout):
            time.sleep(0.1)
    pytest.fail(one.log.read_text())


def test_it_takes_notifications_and_logs_in_json(served):
    assert served.ask("GET", "/readyz").json()["status"] == "ok"
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: served.ask("POST", "/v1/notifications", json=BODY), range(80)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 80
    assert served.stop() == 0
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    accesses = [line for line in lines if line["logger"] == "web.access" and line["status"] == 202]
    assert len(accesses) == 80
    assert served.key not in served.log.read_text()
    assert not [line for line in lines if line["level"] in ("ERROR", "CRITICAL")]


@pytest.fixture
def held(engine: Engine):
    """While this is open, whoever changes alice waits: for her row on PostgreSQL, for the write lock on SQLite."""
    create_users(engine, ["alice"])
    with write(engine) as connection:
        connection.execute(users.update().values(locale="de"))
        yield connection


def test_a_query_that_waits_holds_up_nobody_else(served, held):
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(served.ask, "PUT", "/v1/users/alice", json={"locale": "en"}) for _ in range(5)]
        time.sleep(0.3)
        began = time.monotonic()
        answers = [served.ask("GET", "/v1/notifications") for _ in range(10)]
        took = time.monotonic() - began
        assert {answer.status_code for answer in answers} == {200}
        assert not any(request.done() for request in waiting)
        assert took < 1.5
        held.rollback()
        assert {request.result().status_code for request in waiting} == {200}


def test_a_request_that_is_under_way_is_finished_before_the_end(served, held):
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(served.ask, "PUT", "/v1/users/alice", json={"locale": "en"})
        time.sleep(0.5)
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert not waiting.done()
        held.rollback()
        assert waiting.result().status_code == 200
    assert served.process.wait(timeout=30) == 0


def spoken(served: Served, request: bytes) -> tuple[int, dict]:
    """Send bytes as they are, and nothing after them. Returns the status and the problem document."""
    port = int(served.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, text = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head, answer
    # A second answer may follow: the server cannot tell where the next request begins.
    document, _ = json.JSONDecoder().raw_decode(text.decode())
    assert document["status"] == int(head.split()[1])
    assert document["detail"]
    return document["status"], document


def test_malformed_http_is_answered_with_a_problem(served):
    post = f"POST /v1/notifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.key}\r\n".encode()
    post += b"Content-Type: application/json\r\n"
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    whole = json.dumps(BODY).encode()
    for request, status in {
        # More was announced than comes.
        post + b"Content-Length: %d\r\n\r\n" % (len(whole) + 10) + whole: 400,
        chunked + b"zz\r\n" + whole: 400,
        chunked + b"%x\r\n" % len(whole) + whole + b"XX": 400,
        chunked + b"%x\r\n" % (len(whole) + 9) + whole: 400,
        post + b"Content-Length: x\r\n\r\n": 400,
        b"GET /healthz HTTP/1.1\r\n\r\n": 400,
        b"GET /healthz HTTP/9.1\r\nHost: x\r\n\r\n": 400,
        b"GET  \r\n\r\n": 400,
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nbad header: y\r\n\r\n": 400,
        b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 10_000): 414,
        b"GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"x" * 10_000): 431,
    }.items():
        assert spoken(served, request)[0] == status, request[:200]
    assert served.ask("GET", "/v1/notifications").json()["data"] == []
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    assert not [line for line in lines if line["level"] in ("ERROR", "CRITICAL")]


def test_a_slash_in_an_id_arrives_as_it_was_sent(served):
    assert served.ask("PUT", "/v1/users/x%2Fdevices%2F1", json={}).json()["id"] == "x/devices/1"
    assert served.ask("DELETE", "/v1/users/x/devices/1").json()["code"] == "not_found"
    assert served.ask("GET", "/v1/users/x%2Fdevices%2F1").status_code == 200


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("mode", ["gevent", "threading"])
def test_it_serves_ipv6(mode, database_url, redis_server, settings, api_key, user_token, tmp_path):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError as error:
        skip_unless_ci(f"the loopback has no IPv6: {error}")
    keys = {"CARILLON_JWKS_FILE": str(settings.jwks_file)}
    with serving(mode, database_url, redis_server, api_key, tmp_path, "[::1]", **keys) as served:
        with carillon.Client(served.url, api_key) as service:
            sent = service.send(audience={"users": ["alice"]}, title="Hello", message="World")
            assert service.get_notification(sent.id).title == "Hello"
        for transport in ("websocket", "polling"):
            page = SocketClient()
            page.connect(served.url, auth={"token": user_token()}, transports=[transport], wait_timeout=10)
            assert page.call("sync", {"positions": {}}, timeout=10)["ok"]
            page.disconnect()
        # The page of a developer.
        answer = requests.get(f"{served.url}/v1/inbox", headers={"Origin": "http://[::1]:3000"}, timeout=10)
        assert answer.headers["Access-Control-Allow-Origin"] == "http://[::1]:3000"
        assert served.stop() == 0
