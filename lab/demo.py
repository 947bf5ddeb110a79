"""The tenant that `make run` comes with: three people, a key to write to them, and the line that does."""

from __future__ import annotations

import json
import secrets
import shlex
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine

from lab.environment import write_secret
from models.addresses import devices
from models.sql.engine import write
from models.tenants.api_keys import create_api_key, find_api_key
from models.tenants.queries import create_tenant
from models.users.queries import Person, upsert_users
from web.demo import PEOPLE, TENANT


def prepare(engine: Engine, keys_file: Path, now: datetime) -> str:
    """Make the tenant and its people where they are missing. Returns a live API key, the same at every start."""
    with write(engine) as connection:
        create_tenant(connection, TENANT, "The demo", now)
        for name in PEOPLE:
            person = Person(name, email=f"{name}@example.test")
            [user_id] = upsert_users(connection, TENANT, [person], now)
            devices.add_device(connection, TENANT, user_id, "token", f"{name}-phone", "android", now)
        return _live_key(connection, keys_file, now)


def _live_key(connection: Connection, keys_file: Path, now: datetime) -> str:
    keys = _read(keys_file)
    # One of a database that has been deleted since opens nothing.
    if "live" not in keys or find_api_key(connection, keys["live"]) is None:
        keys = {mode: create_api_key(connection, TENANT, mode, "make run", now) for mode in ("live", "test")}
        write_secret(keys_file, json.dumps({"tenant": TENANT, **keys}, indent=2))
    return keys["live"]


def _read(keys_file: Path) -> dict[str, str]:
    try:
        return dict(json.loads(keys_file.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def curl(api: str, key: str) -> str:
    """One line for a shell: tell alice something on every channel she has."""
    body = {
        "audience": {"users": [PEOPLE[0]]},
        "title": "Hello from Carillon",
        "message": "One call rang the page, the phone and the mailbox.",
    }
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        # Running the line again repeats the request, it does not notify again.
        "Idempotency-Key": f"demo-{secrets.token_hex(6)}",
    }
    words = ["curl", "-sS", "-X", "POST", f"{api}/v1/notifications"]
    words += [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    return shlex.join([*words, "-d", json.dumps(body)]) + r" -w '\n'"
