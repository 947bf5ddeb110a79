"""The environment of `make run`: ports, the data directory, and secrets for development."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shlex
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from config.audiences import AUDIENCES
from config.jwt_keys import AUDIENCES_MEMBER

FLOWER_USER = "carillon"
DEV_ENV = "dev.env"
# The variables that another terminal needs, in addition to all that begin with CARILLON_.
_SHARED = (
    "DATABASE_URL",
    "REDIS_URL",
    "BROKER_URL",
    "PORT",
    "LAB_PORT",
    "LAB_SMTP_PORT",
    "FLOWER_PORT",
    "FLOWER_BASIC_AUTH",
)

# Below the ephemeral ports: the system could give one of those to an outgoing connection before the server listens.
PORT_RANGE = range(10_240, 32_768)


class CannotStart(Exception):
    """`make run` cannot start with these settings. The message is one readable line."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The port of each server. `redis` is None if REDIS_URL is set."""

    web: int
    lab: int
    smtp: int
    flower: int
    redis: int | None


def ports(environ: Mapping[str, str]) -> Ports:
    """Return the ports from the environment. Raises CannotStart if one of them is not free."""
    web = _number(environ, "PORT", 8000)
    lab = _number(environ, "LAB_PORT", 8025)
    smtp = _number(environ, "LAB_SMTP_PORT", lab + 1)
    flower = _number(environ, "FLOWER_PORT", 5555)
    chosen: dict[int, str] = {}
    for name, port in (("PORT", web), ("LAB_PORT", lab), ("LAB_SMTP_PORT", smtp), ("FLOWER_PORT", flower)):
        if port in chosen:
            raise CannotStart(f"{name}: {port} is the same as {chosen[port]}")
        if not is_free(port):
            raise CannotStart(f"{name}: {port} is in use on this machine; choose another, such as {name}={port + 100}")
        chosen[port] = name
    return Ports(web, lab, smtp, flower, None if environ.get("REDIS_URL") else free_ports(1)[0])


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise CannotStart(f"{name}: must be a port, 1 to 65535, not {text!r}")
    return int(text)


def is_free(port: int) -> bool:
    """Return whether a server can listen on this loopback port."""
    with socket.socket() as probe:
        # Servers set this too: connections in TIME_WAIT do not occupy the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Return `count` different loopback ports that are free now."""
    found: set[int] = set()
    while len(found) < count:
        port = secrets.choice(PORT_RANGE)
        if is_free(port):
            found.add(port)
    return sorted(found)


class Var:
    """The directory for data, secrets and the addresses of what runs. Holds a lock on it: one `make run` at a time."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.path = Path(environ.get("CARILLON_VAR") or "var").resolve()
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = (self.path / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"CARILLON_VAR: another `make run` uses {self.path}") from None
        except OSError as error:
            raise CannotStart(f"CARILLON_VAR: {self.path}: {error.strerror}") from None

    def jwks(self) -> Path:
        """Return the file with the key that signs tokens, a JWKS. Creates it if it is missing.

        The key may sign for everybody, operators too: the console of a development copy opens with a click.
        """
        path = self.path / "jwks.json"
        # A file of a version that did not bind keys is replaced: its key signs no operators.
        if not path.exists() or AUDIENCES_MEMBER not in path.read_text(encoding="utf-8"):
            secret = base64.urlsafe_b64encode(secrets.token_bytes(48)).decode().rstrip("=")
            kid = f"dev-{secrets.token_hex(3)}"
            key = {"kty": "oct", "kid": kid, "alg": "HS256", "k": secret, AUDIENCES_MEMBER: AUDIENCES}
            write_secret(path, json.dumps({"keys": [key]}))
        return path

    def flower_password(self) -> str:
        """Return Flower's password. Creates it if it is missing."""
        path = self.path / "flower-password"
        if not path.exists():
            write_secret(path, secrets.token_urlsafe(12))
        return path.read_text().strip()


def write_secret(path: Path, text: str) -> None:
    """Write a file atomically, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    temporary.replace(path)


def environment(environ: Mapping[str, str], var: Var, ports: Ports) -> dict[str, str]:
    """Return the environment of every process: the caller's, and defaults for what it does not set."""
    given = {name: value for name, value in environ.items() if value}
    return {
        "DATABASE_URL": f"sqlite:///{var.path / 'carillon.db'}",
        "REDIS_URL": f"redis://127.0.0.1:{ports.redis}/0",
        "CARILLON_JWKS_FILE": str(var.jwks()),
        "FLOWER_BASIC_AUTH": f"{FLOWER_USER}:{var.flower_password()}",
        "CARILLON_ATTACHMENTS_URL": (var.path / "attachments").as_uri(),
        **given,
        "CARILLON_ENV": "development",
        "CARILLON_VAR": str(var.path),
        "CARILLON_LAB_URL": f"http://127.0.0.1:{ports.lab}",
        "PORT": str(ports.web),
        "LAB_PORT": str(ports.lab),
        "LAB_SMTP_PORT": str(ports.smtp),
        "LAB_REDIS_PORT": str(ports.redis or ""),
        "FLOWER_PORT": str(ports.flower),
        "FLOWER_ADDRESS": "127.0.0.1",
        "CARILLON_FLOWER_URL": f"http://127.0.0.1:{ports.flower}",
        "PYTHONUNBUFFERED": "1",
        # So that the Procfile's commands are found in this virtual environment.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)]),
    }


def write_dev_env(path: Path, environment: Mapping[str, str]) -> None:
    """Write the settings that other terminals need, as KEY=VALUE lines that a shell can read."""
    lines = [
        f"{name}={shlex.quote(value)}"
        for name, value in sorted(environment.items())
        if name in _SHARED or name.startswith("CARILLON_")
    ]
    write_secret(path / DEV_ENV, "\n".join(lines))


def read_dev_env(path: Path) -> dict[str, str]:
    """Read the settings that `write_dev_env` wrote. Raises FileNotFoundError if `make run` was never started here."""
    pairs = (shlex.split(line)[0].partition("=") for line in (path / DEV_ENV).read_text().splitlines() if line)
    return {name: value for name, _, value in pairs}
