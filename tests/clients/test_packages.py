"""The packages of clients/: the client's own tests in Node, and all pages in Chromium against a running copy."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import carillon
from tests.databases import ROOT
from tests.missing import skip_unless_ci
from tests.packages_server import packages_server
from web.packages import TARBALL

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


def test_a_project_installs_the_client_that_the_server_gives_out(built: None, tmp_path: Path):
    (tmp_path / "package.json").write_text('{"name": "shop", "type": "module"}')
    with packages_server() as url:
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", f"{url}/{TARBALL}"]
        subprocess.run(install, cwd=tmp_path, check=True, timeout=300)
    program = 'import { createClient } from "carillon-client"; console.log(typeof createClient);'
    ran = subprocess.run(
        ["node", "--input-type=module", "-e", program], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == "function"
    installed = json.loads((tmp_path / "node_modules/carillon-client/package.json").read_text())
    assert installed["version"].replace("-dev.", ".dev") == carillon.__version__


@pytest.mark.long
@pytest.mark.parametrize("project", ["js", "console", "pages"])
def test_in_a_browser_against_a_running_copy(built: None, project: str):
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        skip_unless_ci("Chromium is not installed")
    npm("e2e", f"--project={project}")
