"""The client of clients/js: its own tests in Node, and the bell in Chromium against a running copy."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.databases import ROOT

HERE = ROOT / "clients/js"

pytestmark = pytest.mark.slow


@pytest.fixture
def built(node: str) -> Iterator[None]:
    """The package, installed and built; while its tests run nobody else builds it."""
    with (HERE / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "--no-print-directory", "client"], cwd=ROOT, check=True, timeout=600)
        yield


def npm(*arguments: str) -> None:
    """Run a script of the package; what it says is the reason of a failure."""
    command = ["npm", "run", "--silent", *arguments]
    ended = subprocess.run(
        command, cwd=HERE, capture_output=True, text=True, timeout=900, stdin=subprocess.DEVNULL, check=False
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"


def test_the_client_tells_everything_once_and_in_order(built: None):
    npm("test")


def test_the_bell_in_a_browser_against_a_running_copy(built: None):
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")
    npm("e2e")
