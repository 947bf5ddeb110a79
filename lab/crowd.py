"""Creates a tenant with many users for the load test.

The users are written to the database directly, a page at a time. Creating them with 20,000 API requests would measure
those requests instead.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime

from config.settings import Settings
from models.addresses.tables import addresses
from models.sql.engine import connect, write
from models.sql.statements import insert_ignore
from models.tenants.api_keys import create_api_key
from models.tenants.queries import create_tenant
from models.users.queries import Person, upsert_users
from web.cli.caller import operator

PAGE_SIZE = 1000


@dataclass(slots=True)
class Crowd:
    """A tenant, its API key and users, and the addresses that each channel should reach."""

    tenant: str
    key: str
    users: list[str]
    expected: dict[str, set[str]] = field(default_factory=lambda: {"push": set(), "email": set()})


def create_crowd(settings: Settings, number: int) -> Crowd:
    """Create a tenant with `number` users, each with a mailbox and a device."""
    engine = connect(settings.database_url)
    now = datetime.now(UTC)
    tenant = f"load-{secrets.token_hex(3)}"
    with write(engine) as connection:
        create_tenant(connection, tenant, "Load test", now)
        key = create_api_key(connection, tenant, "live", "load test", now, operator().name)
    crowd = Crowd(tenant, key, [f"user-{n:05}" for n in range(number)])
    for start in range(0, number, PAGE_SIZE):
        page = [Person(name, email=f"{name}@{tenant}.test") for name in crowd.users[start : start + PAGE_SIZE]]
        with write(engine) as connection:
            row_ids = upsert_users(connection, tenant, page, now)
            devices = {row_id: f"{tenant}-phone-{row_id}" for row_id in row_ids}
            connection.execute(
                insert_ignore(connection, addresses),
                [
                    {
                        "user_id": row_id,
                        "tenant_id": tenant,
                        "channel": "push",
                        "kind": "token",
                        "value": token,
                        "created_at": now,
                        "last_seen_at": now,
                    }
                    for row_id, token in devices.items()
                ],
            )
        crowd.expected["push"] |= set(devices.values())
        crowd.expected["email"] |= {str(person.email) for person in page}
    engine.dispose()
    return crowd
