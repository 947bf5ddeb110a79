"""The packages of clients/: their own tests in Node, and their pages in Chromium against a running copy."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.databases import ROOT

PACKAGES = ROOT / "clients"

pytestmark = pytest.mark.slow


@pytest.fixture
def built(node: str) -> Iterator[None]:
    """The packages, installed and built; while their tests run nobody else builds them."""
    with (PACKAGES / "js/package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "--no-print-directory", "client"], cwd=ROOT, check=True, timeout=600)
        yield


def npm(package: str, script: str) -> None:
    """Run a script of the package; what it says is the reason of a failure."""
    command = ["npm", "run", "--silent", script]
    ended = subprocess.run(
        command,
        cwd=PACKAGES / package,
        capture_output=True,
        text=True,
        timeout=1800,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"


def test_the_client_tells_everything_once_and_in_order(built: None):
    npm("js", "test")


@pytest.mark.long
@pytest.mark.parametrize("package", sorted(path.parent.name for path in PACKAGES.glob("*/playwright.config.ts")))
def test_in_a_browser_against_a_running_copy(built: None, package: str):
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed")
    npm(package, "check")
    npm(package, "e2e")
