"""The demo tenant of `make run`: three users, two conversations, an API key, and a curl command that notifies one."""

from __future__ import annotations

import json
import secrets
import shlex
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Engine

from lab.environment import write_secret
from models.addresses import devices
from models.conversations.create import NewConversation, create
from models.conversations.queries import find
from models.messages.send import NewMessage, send
from models.sql.engine import write
from models.tenants.api_keys import create_api_key, find_api_key
from models.tenants.queries import DIALECT, create_tenant
from models.users.queries import Person, upsert_users
from web.cli.caller import operator
from web.demo import PEOPLE, TENANT


def prepare(engine: Engine, keys_file: Path, now: datetime) -> str:
    """Create the tenant, its users and conversations if they are missing. Returns a live API key, always the same."""
    people = {}
    with write(engine) as connection:
        create_tenant(connection, TENANT, "Demo", now, DIALECT)
        for name in PEOPLE:
            person = Person(name, email=f"{name}@example.test")
            [user_id] = upsert_users(connection, TENANT, [person], now)
            devices.add_device(connection, TENANT, user_id, "token", f"{name}-phone", "android", now)
            people[name] = user_id
        alice, bob, carol = PEOPLE
        pair = {alice: people[alice], bob: people[bob]}
        direct = NewConversation(TENANT, "direct", pair, by=bob)
        _begin(connection, direct, bob, "Hi Alice. Write back, and I see it at once.", now)
        group = NewConversation(TENANT, "group", people, owner=alice, id="demo-team", name="Team")
        _begin(connection, group, carol, "Hello, both of you.", now)
        return _live_key(connection, keys_file, now)


def _begin(connection: Connection, new: NewConversation, sender: str, content: str, now: datetime) -> None:
    key, is_new = create(connection, new, now)
    conversation = find(connection, TENANT, key)
    if is_new and conversation is not None:
        send(connection, conversation, NewMessage(sender, "text", content, new.members, data={}), now)


def _live_key(connection: Connection, keys_file: Path, now: datetime) -> str:
    keys = _read(keys_file)
    # The file may hold a key from an earlier database, which has been deleted.
    if "live" not in keys or find_api_key(connection, keys["live"]) is None:
        keys = {
            mode: create_api_key(connection, TENANT, mode, "demo", now, operator().name) for mode in ("live", "test")
        }
        write_secret(keys_file, json.dumps({"tenant": TENANT, **keys}, indent=2))
    return keys["live"]


def _read(keys_file: Path) -> dict[str, str]:
    try:
        return dict(json.loads(keys_file.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def curl(api: str, key: str) -> str:
    """Return a shell command that notifies alice on all her channels."""
    body = {
        "audience": {"users": [PEOPLE[0]]},
        "title": "Hello from Carillon",
        "message": "One request reached the page, the phone and the mailbox.",
    }
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        # Running the command again repeats the same request, which does not notify again.
        "Idempotency-Key": f"demo-{secrets.token_hex(6)}",
    }
    words = ["curl", "-sS", "-X", "POST", f"{api}/v1/notifications"]
    words += [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    return shlex.join([*words, "-d", json.dumps(body)]) + r" -w '\n'"
