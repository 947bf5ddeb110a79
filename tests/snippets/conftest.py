"""A copy of Carillon that runs as README and docs/settings.md start it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

import carillon
from lab.environment import free_ports
from tests.databases import ROOT
from tests.snippets.blocks import block
from tests.snippets.programs import environment, shell
from tests.waiting import eventually
from tests.workspace import install_workspace

START = block("README.md", "make run\n")
SECOND_COPY = block("docs/settings.md", "make run PORT=")
INSTALL_CLIENT = block("clients/js/README.md", "npm install")


class Installation:
    """What `make run` has started, until `stop`."""

    def __init__(self, directory: Path) -> None:
        self.var = directory / "var"
        port, lab, smtp, flower = map(str, free_ports(4))
        self.url = f"http://127.0.0.1:{port}"
        values = {"PORT": port, "LAB_PORT": lab, "FLOWER_PORT": flower, "CARILLON_VAR": str(self.var)}
        command = re.sub(r"(\w+)=\S+", lambda found: f"{found[1]}={values.pop(found[1])}", SECOND_COPY)
        assert not values, "the copy would not be apart from others"
        self._output = directory / "log"
        self._process = _start(command, self._output, LAB_SMTP_PORT=smtp)

    def ready(self) -> bool:
        output = self._output.read_text()
        assert self._process.poll() is None, output
        return "Carillon is ready" in output

    def shell(self, program: str) -> str:
        """Run lines in a second terminal. Addresses in them become those of this copy. Returns their output."""
        return shell(self._here(program), CARILLON_VAR=str(self.var))

    @contextmanager
    def background(self, program: str, cwd: Path = ROOT) -> Iterator[Callable[[], str]]:
        """Run lines that do not end by themselves. What is called returns their output so far."""
        output = self.var.with_name(f"{time.monotonic_ns()}.log")
        process = _start(self._here(program), output, cwd, PYTHONUNBUFFERED="1")
        try:
            yield output.read_text
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop(self) -> None:
        """Press Ctrl-C."""
        processes = psutil.Process(self._process.pid).children(recursive=True)
        os.killpg(self._process.pid, signal.SIGINT)
        _, left = psutil.wait_procs([*processes, psutil.Process(self._process.pid)], timeout=30)
        for process in left:
            process.kill()
        assert left == []

    def _here(self, program: str) -> str:
        return program.replace("http://127.0.0.1:8000", self.url).replace("var/dev.env", f"{self.var}/dev.env")


def _start(program: str, output: Path, cwd: Path = ROOT, **other: str) -> subprocess.Popen[bytes]:
    with output.open("wb") as log:
        return subprocess.Popen(
            ["bash", "-euc", program],
            cwd=cwd,
            env=environment() | other,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Carillon runs."""
    assert SECOND_COPY.startswith(START.strip())
    # `make run` builds the pages. No other test does at the same time.
    with (ROOT / "clients/package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installation = Installation(tmp_path_factory.mktemp("installation"))
        try:
            eventually(installation.ready, within=180)
        except BaseException:
            installation.stop()
            raise
    yield installation
    installation.stop()


@pytest.fixture(scope="session")
def project(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in Node that has installed the client from the server."""
    install_workspace()
    directory = tmp_path_factory.mktemp("shop")
    (directory / "package.json").write_text('{"name": "shop", "type": "module"}')
    program = INSTALL_CLIENT.replace("npm install", "npm install --silent --no-audit --no-fund --ignore-scripts")
    installation.shell(f"cd {directory}\n{program}")
    installed = json.loads((directory / "node_modules/carillon-client/package.json").read_text())
    assert installed["version"].replace("-dev.", ".dev") == carillon.__version__
    return directory
