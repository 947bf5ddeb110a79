"""`make run`: what it prints is true, what it promises arrives, and nothing of it is left afterwards."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import socketio
from family import end, family_of, left_of

from lab.environment import free_ports
from tests.databases import ROOT

NAMES = ("PORT", "LAB_PORT", "LAB_SMTP_PORT", "FLOWER_PORT")


def environment(var: Path, **other: str) -> dict[str, str]:
    """What the launcher is given: free ports, its own data, and nothing of the developer's settings."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR", "SHELL")}
    chosen = dict(zip(NAMES, map(str, free_ports(len(NAMES))), strict=True))
    return {**kept, **chosen, "CARILLON_VAR": str(var), **other}


def eventually(check: Callable[[], Any], within: float = 10.0) -> Any:
    limit = time.monotonic() + within
    while not (result := check()):
        assert time.monotonic() < limit, "not in time"
        time.sleep(0.05)
    return result


class House:
    """A running copy, and what it has printed."""

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
        """The first line printed that begins so."""
        return next((line for line in self.output.read_text().splitlines() if line.startswith(beginning)), None)

    def started(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        return self.line("curl ") is not None

    def arrived(self, id_: str) -> list[tuple[str, str]]:
        """(channel, address) of everything the lab has accepted of the notification."""
        answer = requests.get(f"{self.lab}/messages", params={"notification_id": id_}, timeout=5).json()
        return sorted((message["channel"], message["address"]) for message in answer["messages"])

    def make(self, *goals: str) -> str:
        """What a make in another terminal prints."""
        command = ["make", "--no-print-directory", *goals, f"CARILLON_VAR={self.environ['CARILLON_VAR']}"]
        kept = {name: value for name, value in self.environ.items() if name not in (*NAMES, "CARILLON_VAR")}
        return subprocess.run(command, cwd=ROOT, env=kept, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("up") / "var")
    family: list[psutil.Process] = []
    try:
        eventually(house.started, within=90)
        family = family_of(house.process.pid)
        yield house
    finally:
        end(family)
        house.process.kill()
        house.process.wait()


def paste(line: str) -> Any:
    """Run the line as a shell would that it was pasted into."""
    done = subprocess.run(["bash", "-c", line], check=True, capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_one_call_rings_every_channel(house: House):
    line = house.line("curl ") or ""
    key = next(word for word in shlex.split(line) if word.startswith("Authorization: ")).partition(": ")[2]
    token = house.make("token", "USER=alice")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", token)
    shown: list[dict[str, Any]] = []
    page = socketio.Client()
    page.on("notification:new", shown.append)
    page.connect(house.api, auth={"token": token.strip()}, transports=["websocket"], wait_timeout=10)
    try:
        accepted = paste(line)
        id_ = accepted["id"]
        everywhere = [("email", "alice@example.test"), ("push", "alice-phone")]
        eventually(lambda: house.arrived(id_) == everywhere)
        assert [event["id"] for event in eventually(lambda: shown)] == [id_]
        assert page.call("notification:ack", {"ids": [id_]})["ok"]
    finally:
        page.disconnect()

    def states() -> dict[str, str]:
        url = f"{house.api}{accepted['links']['deliveries']}"
        answer = requests.get(url, headers={"Authorization": key}, timeout=5).json()
        return {delivery["channel"]: delivery["state"] for delivery in answer["data"]}

    eventually(lambda: states() == {"in_app": "acked", "push": "sent", "email": "sent"})
    assert paste(line)["id"] == id_
    # Long enough for the relay to have rung.
    time.sleep(2.5)
    assert house.arrived(id_) == everywhere
    assert [event["id"] for event in shown] == [id_]


@pytest.mark.slow
def test_flower_shows_and_does_nothing(house: House):
    found = re.search(r"Flower +(\S+), user (\S+), password (\S+)", house.output.read_text())
    assert found is not None
    url, user, password = found.groups()
    assert requests.get(f"{url}/api/workers", timeout=5).status_code == 401
    assert requests.get(f"{url}/workers", auth=(user, password), timeout=5).status_code == 200
    order = requests.post(f"{url}/api/worker/shutdown/worker@here", auth=(user, password), timeout=5)
    assert (order.status_code, order.text) == (403, "Read only mode is enabled")


@pytest.mark.slow
def test_what_it_keeps_is_for_its_owner(house: House):
    var = Path(house.environ["CARILLON_VAR"])
    assert var.stat().st_mode & 0o777 == 0o700
    secret = ("jwks.json", "demo-keys.json", "flower-password", "dev.env")
    assert {name: oct((var / name).stat().st_mode & 0o777) for name in secret} == dict.fromkeys(secret, "0o600")


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_taken_port_is_said_in_one_line(name: str, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = refused(environment(tmp_path / "var", **{name: str(port)}))
    assert done == f"make run: {name}: {port} is in use on this machine; choose another, such as {name}={port + 100}\n"


@pytest.mark.slow
def test_a_second_copy_needs_data_of_its_own(house: House):
    var = house.environ["CARILLON_VAR"]
    assert refused(environment(Path(var))) == f"make run: CARILLON_VAR: another `make run` uses {var}\n"


def refused(environ: dict[str, str]) -> str:
    """What the launcher says when it does not start."""
    done = subprocess.run(
        [sys.executable, "-m", "lab.up"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


@pytest.mark.slow
def test_two_copies_side_by_side_and_nothing_left_of_a_killed_one(house: House, tmp_path: Path):
    second = House(tmp_path / "var")
    family: list[psutil.Process] = []
    try:
        eventually(second.started, within=90)
        family = family_of(second.process.pid)
        assert second.line("curl ") != house.line("curl ")
        id_ = paste(second.line("curl ") or "")["id"]
        eventually(lambda: len(second.arrived(id_)) == 2)
        assert house.arrived(id_) == []
        second.process.kill()
        assert left_of(family, 20) == []
    finally:
        end(family)
        second.process.kill()
        second.process.wait()
    assert requests.get(f"{house.api}/readyz", timeout=5).json()["status"] == "ok"


# The last test of this file: it ends the house.
@pytest.mark.slow
def test_sigterm_ends_it_within_seconds_and_leaves_nothing(house: House):
    family = family_of(house.process.pid)
    assert len(family) > 10
    house.process.send_signal(signal.SIGTERM)
    assert house.process.wait(timeout=10) == 0
    assert left_of(family) == []
