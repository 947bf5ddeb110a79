"""`make run`: its output is correct, notifications arrive, and no process is left when it ends."""

from __future__ import annotations

import getpass
import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import socketio
from process_tree import descendants_of, kill, still_running
from sqlalchemy import Engine

from actions.installation import utc_now
from lab import demo
from lab.environment import free_ports
from models.sql.engine import read
from models.tenants.api_keys import list_api_keys
from tests.databases import ROOT
from tests.waiting import eventually
from tests.web.test_demo import CURL

NAMES = ("PORT", "LAB_PORT", "LAB_SMTP_PORT", "FLOWER_PORT")


def environment(var: Path, **other: str) -> dict[str, str]:
    """Return an environment with free ports and its own data directory, without the developer's settings."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR", "SHELL")}
    chosen = dict(zip(NAMES, map(str, free_ports(len(NAMES))), strict=True))
    return {**kept, **chosen, "CARILLON_VAR": str(var), **other}


class Installation:
    """A running copy of `make run`, and its output."""

    def __init__(self, var: Path) -> None:
        self.environ = environment(var)
        self.output = var.with_suffix(".log")
        with self.output.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lab.up"], cwd=ROOT, env=self.environ, stdout=log, stderr=log
            )
        self.lab = f"http://127.0.0.1:{self.environ['LAB_PORT']}"
        self.api = f"http://127.0.0.1:{self.environ['PORT']}"

    def line(self, beginning: str) -> str | None:
        """Return the first line of output with this beginning."""
        return next((line for line in self.output.read_text().splitlines() if line.startswith(beginning)), None)

    def started(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        return self.line("curl ") is not None

    def arrived(self, id_: str) -> list[tuple[str, str]]:
        """Return the channel and address of everything that the lab accepted for the notification."""
        answer = requests.get(f"{self.lab}/messages", params={"notification_id": id_}, timeout=5).json()
        return sorted((message["channel"], message["address"]) for message in answer["messages"])

    def make(self, *goals: str) -> str:
        """Run make as in another terminal. Returns its output."""
        command = ["make", "--no-print-directory", *goals, f"CARILLON_VAR={self.environ['CARILLON_VAR']}"]
        kept = {name: value for name, value in self.environ.items() if name not in (*NAMES, "CARILLON_VAR")}
        return subprocess.run(command, cwd=ROOT, env=kept, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("up") / "var")
    descendants: list[psutil.Process] = []
    try:
        eventually(installation.started, within=90)
        descendants = descendants_of(installation.process.pid)
        yield installation
    finally:
        kill(descendants)
        installation.process.kill()
        installation.process.wait()


def paste(line: str) -> Any:
    """Run the line in a shell. Returns its output, parsed as JSON."""
    done = subprocess.run(["bash", "-c", line], check=True, capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_one_call_rings_every_channel(installation: Installation):
    line = installation.line("curl ") or ""
    key = next(word for word in shlex.split(line) if word.startswith("Authorization: ")).partition(": ")[2]
    token = installation.make("token", "USER=alice")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", token)
    shown: list[dict[str, Any]] = []
    page = socketio.Client()
    page.on("notification:new", shown.append)
    page.connect(installation.api, auth={"token": token.strip()}, transports=["websocket"], wait_timeout=10)
    try:
        accepted = paste(line)
        id_ = accepted["id"]
        everywhere = [("email", "alice@example.test"), ("push", "alice-phone")]
        eventually(lambda: installation.arrived(id_) == everywhere)
        assert [event["id"] for event in eventually(lambda: shown)] == [id_]
        assert page.call("notification:ack", {"ids": [id_]})["ok"]
    finally:
        page.disconnect()

    def states() -> dict[str, str]:
        url = f"{installation.api}{accepted['links']['deliveries']}"
        answer = requests.get(url, headers={"Authorization": key}, timeout=5).json()
        return {delivery["channel"]: delivery["state"] for delivery in answer["data"]}

    eventually(lambda: states() == {"in_app": "acked", "push": "sent", "email": "sent"})
    assert paste(line)["id"] == id_
    # Long enough for the relay to ring again.
    time.sleep(2.5)
    assert installation.arrived(id_) == everywhere
    assert [event["id"] for event in shown] == [id_]


@pytest.mark.slow
def test_the_command_of_the_simple_system_works_as_it_is_written(installation: Installation):
    # Their program listens on port 5003.
    to_us = f"--connect-to localhost:5003:127.0.0.1:{installation.environ['PORT']}"
    sent = paste(f"{CURL} -sS --fail-with-body {to_us}")
    key = next(word for word in shlex.split(installation.line("curl ") or "") if word.startswith("Authorization: "))
    url, headers = f"{installation.api}/v1/users/user123/inbox", {"Authorization": key.partition(": ")[2]}
    [item] = eventually(lambda: requests.get(url, headers=headers, timeout=5).json()["data"])
    assert (item["id"], item["message"], item["level"]) == (sent["id"], "Test notification", "info")


@pytest.mark.slow
def test_flower_is_read_only_and_needs_a_password(installation: Installation):
    found = re.search(r"Flower +(\S+), user (\S+), password (\S+)", installation.output.read_text())
    assert found is not None
    url, user, password = found.groups()
    assert requests.get(f"{url}/api/workers", timeout=5).status_code == 401
    assert requests.get(f"{url}/workers", auth=(user, password), timeout=5).status_code == 200
    order = requests.post(f"{url}/api/worker/shutdown/worker@here", auth=(user, password), timeout=5)
    assert (order.status_code, order.text) == (403, "Read only mode is enabled")


@pytest.mark.slow
def test_what_is_written_is_readable_by_its_owner_only(installation: Installation):
    var = Path(installation.environ["CARILLON_VAR"])
    found = {str(path.relative_to(var)): oct(path.stat().st_mode & 0o777) for path in [var, *var.rglob("*")]}
    secret = {"jwks.json", "demo-keys.json", "flower-password", "dev.env", "carillon.db"}
    assert secret <= found.keys()
    assert {name: mode for name, mode in found.items() if not mode.endswith("00")} == {}


def test_the_keys_of_the_demo_say_who_made_them(engine: Engine, tmp_path: Path):
    demo.prepare(engine, tmp_path / "demo-keys.json", utc_now())
    with read(engine) as connection:
        keys = list_api_keys(connection, "demo")
    assert {(key.mode, key.name, key.created_by) for key in keys} == {
        (mode, "demo", f"operator cli:{getpass.getuser()}") for mode in ("live", "test")
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_port_in_use_is_reported_in_one_line(name: str, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = refused(environment(tmp_path / "var", **{name: str(port)}))
    assert done == f"make run: {name}: {port} is in use on this machine; choose another, such as {name}={port + 100}\n"


@pytest.mark.slow
def test_a_second_copy_needs_its_own_data_directory(installation: Installation):
    var = installation.environ["CARILLON_VAR"]
    assert refused(environment(Path(var))) == f"make run: CARILLON_VAR: another `make run` uses {var}\n"


def refused(environ: dict[str, str]) -> str:
    """Return the error of a launcher that does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "lab.up"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


@pytest.mark.slow
def test_two_copies_can_run_and_a_killed_one_leaves_no_process(installation: Installation, tmp_path: Path):
    second = Installation(tmp_path / "var")
    descendants: list[psutil.Process] = []
    try:
        eventually(second.started, within=90)
        descendants = descendants_of(second.process.pid)
        assert second.line("curl ") != installation.line("curl ")
        id_ = paste(second.line("curl ") or "")["id"]
        eventually(lambda: len(second.arrived(id_)) == 2)
        assert installation.arrived(id_) == []
        second.process.kill()
        assert still_running(descendants, 20) == []
    finally:
        kill(descendants)
        second.process.kill()
        second.process.wait()
    assert requests.get(f"{installation.api}/readyz", timeout=5).json()["status"] == "ok"


# Must be the last test of this file, because it stops the installation.
@pytest.mark.slow
def test_sigterm_stops_it_within_seconds_and_leaves_no_process_and_no_count_unwritten(installation: Installation):
    descendants = descendants_of(installation.process.pid)
    assert len(descendants) > 10
    var = Path(installation.environ["CARILLON_VAR"])
    key = json.loads((var / "demo-keys.json").read_text())["live"]
    body = {"audience": {"users": ["alice"]}, "title": "The last one", "message": "Counted all the same"}
    url = f"{installation.api}/v1/notifications"
    requests.post(url, json=body, headers={"Authorization": f"Bearer {key}"}, timeout=5).raise_for_status()
    installation.process.send_signal(signal.SIGTERM)
    assert installation.process.wait(timeout=10) == 0
    assert still_running(descendants) == []
    with closing(sqlite3.connect(var / "carillon.db")) as database:
        [(accepted,)] = database.execute("SELECT count(*) FROM notifications")
        assert database.execute("SELECT number FROM usage WHERE measure = 'notifications'").fetchall() == [(accepted,)]
