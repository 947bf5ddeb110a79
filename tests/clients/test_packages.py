"""The packages of clients/: the client's own tests in Node, and all pages in Chromium against a running copy."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.databases import ROOT
from tests.missing import skip_unless_ci

CLIENTS = ROOT / "clients"

pytestmark = pytest.mark.slow


@pytest.fixture
def built(node: str) -> Iterator[None]:
    """The packages, installed and built. No other test builds them at the same time."""
    with (CLIENTS / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "--no-print-directory", "client"], cwd=ROOT, check=True, timeout=600)
        yield


def npm(script: str, *arguments: str) -> None:
    """Run a script of the workspace. If it fails, its output is the reason."""
    ended = subprocess.run(
        ["npm", "run", "--silent", script, "--", *arguments],
        cwd=CLIENTS,
        capture_output=True,
        text=True,
        timeout=1800,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"


def test_the_client_tells_everything_once_and_in_order(built: None):
    npm("test")


@pytest.mark.long
@pytest.mark.parametrize("project", ["js", "console", "pages"])
def test_in_a_browser_against_a_running_copy(built: None, project: str):
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        skip_unless_ci("Chromium is not installed")
    npm("e2e", f"--project={project}")
