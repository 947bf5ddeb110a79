"""Clients written for four other systems, unchanged, with a real socket.io-client in Node.

What each of them listens to, sends and asks is in `<system>_client.mjs`, as their documents have it; what has to
happen then, in `<system>.mjs`.
"""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.clients.conftest import HERE, Installation

# What the systems were written for, and the newest; each on a database of its own kind.
VERSIONS = (("4.5.4", "sqlite"), ("4.8.4", "postgresql"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize(("version", "database_url"), VERSIONS, indirect=["database_url"]),
]


def run(node: str, installation: Installation, script: str, version: str) -> None:
    """Run a script's tests against the installation; what Node says is the reason of a failure."""
    environment = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR")}
    ended = subprocess.run(
        [node, "--import", "./support.mjs", "--test", "--test-force-exit", "--test-reporter", "spec", script],
        cwd=HERE,
        env=environment | installation.for_node() | {"SOCKET_IO_CLIENT": f"socket.io-client-{version}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout


def test_the_unified_hub(node: str, installation: Installation, version: str):
    run(node, installation, "s0_hub.mjs", version)


def test_tenant_events(node: str, installation: Installation, version: str):
    run(node, installation, "s1_tenant.mjs", version)


def test_four_namespaces(node: str, installation: Installation, version: str):
    run(node, installation, "s2_ns4.mjs", version)


def test_the_simple_kind(node: str, installation: Installation, version: str):
    run(node, installation, "s4_simple.mjs", version)
