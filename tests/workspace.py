"""The npm workspace of clients/, installed."""

from __future__ import annotations

import fcntl
import shutil
import subprocess

from tests.databases import ROOT
from tests.missing import skip_unless_ci

CLIENTS = ROOT / "clients"


def install_workspace() -> None:
    """Install what its lock file pins, unless that is done. Skips the test without Node; in CI that is a failure."""
    if not (shutil.which("node") and shutil.which("npm")):
        skip_unless_ci("Node is not installed, or its npm")
    with (CLIENTS / "package.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["make", "clients/node_modules/.package-lock.json"], cwd=ROOT, check=True, timeout=600)
