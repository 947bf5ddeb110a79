"""Node and its packages, and an installation with two web processes for the clients to connect to."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actions.installation import utc_now
from tests import factories
from tests.missing import skip_unless_ci
from tests.pipeline.system import System

HERE = Path(__file__).parent

# The test runner and fetch as these tests use them.
OLDEST_NODE = 20


@pytest.fixture(scope="session")
def node() -> str:
    """Node, with the packages that package-lock.json pins. Skips where there is none; in CI that is a failure."""
    program = shutil.which("node")
    missing = _missing(program)
    if missing or program is None:
        skip_unless_ci(missing)
    # Several sessions of pytest may come here at once.
    with (HERE / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (HERE / "node_modules" / ".package-lock.json").exists():
            command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
            subprocess.run(command, cwd=HERE, check=True, timeout=300, stdin=subprocess.DEVNULL)
    return program


def _missing(program: str | None) -> str:
    if program is None or shutil.which("npm") is None:
        return f"Node {OLDEST_NODE} or newer is not installed, or its npm"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    old = int(told.lstrip("v").partition(".")[0]) < OLDEST_NODE
    return f"Node is {told}: these tests need {OLDEST_NODE} or newer" if old else ""


class Installation(System):
    """Two web processes behind one Redis, a worker, the lab, and a service that uses `carillon.compat`."""

    def __init__(self, database_url: str, directory: Path, **environment: str) -> None:
        super().__init__(database_url, directory, **environment)
        self.ports |= {"web-2": factories.free_port(), "service": factories.free_port()}
        factories.create_tenant(self.engine, "other", utc_now())
        # It outlives the web process that the tests kill.
        self.environment |= {"SERVICE_URL": f"http://127.0.0.1:{self.ports['web-2']}", "SERVICE_KEY": self.key}

    def _command(self, kind: str) -> list[str]:
        return [sys.executable, "-m", "tests.clients.service"] if kind == "service" else super()._command(kind)

    def token(self, user: str, tenant: str = "acme") -> str:
        return factories.create_token(self.settings, subject=user, tenant=tenant)

    def for_node(self) -> dict[str, str]:
        """Where everything is, for the tests in Node."""
        return {
            "A": self.url,
            "B": f"http://127.0.0.1:{self.ports['web-2']}",
            "A_PID": str(self.processes["web"].pid),
            "SERVICE": f"http://127.0.0.1:{self.ports['service']}",
            "LAB": str(self.settings.lab_url),
            "KEY": self.key,
            "ALICE": self.token("alice"),
            "BOB": self.token("bob"),
            "MALLORY": self.token("mallory", "other"),
        }


@pytest.fixture
def installation(database_url: str, tmp_path: Path) -> Iterator[Installation]:
    """Everything runs."""
    installation = Installation(database_url, tmp_path)
    try:
        installation.start("redis")
        installation.start("lab", "web", "web-2", "worker", "relay", "service")
        yield installation
    finally:
        installation.stop()
