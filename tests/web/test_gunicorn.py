"""The web process as it runs in production: gunicorn, gevent or threads, a real database and a real Redis."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from sqlalchemy import Engine

from models.sql.engine import write
from models.users.tables import users
from tests.databases import ROOT
from tests.factories import create_users, free_port
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
    port = free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")} | {
        "CARILLON_ENV": "development",
        "CARILLON_VAR": str(tmp_path),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_server,
        "BROKER_URL": redis_server,
        "SOCKETIO_ASYNC_MODE": request.param,
        "PORT": str(port),
    }
    gunicorn = Path(sys.executable).with_name("gunicorn")
    log = tmp_path / "log"
    # From another directory: nothing may depend on where the process was started but --chdir, which a Procfile implies.
    process = subprocess.Popen(
        [gunicorn, "-c", "web/gunicorn.py", "web.app:create_app()"], cwd=ROOT, env=environ, stderr=log.open("wb")
    )
    one = Served(process, f"http://127.0.0.1:{port}", log, api_key)
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
