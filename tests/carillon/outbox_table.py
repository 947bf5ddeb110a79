"""The table of the outbox, for databases that do not have it yet. What it must have is in docs/services.md."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

_SQLITE = """
CREATE TABLE IF NOT EXISTS carillon_outbox (
    id CHAR(32) PRIMARY KEY DEFAULT (lower(hex(randomblob(16)))),
    tenant_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    body JSON NOT NULL,
    idempotency_key VARCHAR,
    created_at DATETIME DEFAULT CURRENT_TIMESTAMP NOT NULL
)
"""
_POSTGRESQL = """
CREATE TABLE IF NOT EXISTS carillon_outbox (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id text NOT NULL,
    kind text NOT NULL,
    body jsonb NOT NULL,
    idempotency_key text,
    created_at timestamptz DEFAULT now() NOT NULL
)
"""


def create_outbox(engine: Engine) -> None:
    """Create the table if it is not there."""
    with engine.begin() as connection:
        connection.execute(text(_POSTGRESQL if engine.dialect.name == "postgresql" else _SQLITE))


def rows(engine: Engine) -> list[dict[str, Any]]:
    """The committed rows, oldest first, with ids as UUIDs and bodies decoded."""
    with engine.begin() as connection:
        found = connection.execute(text("SELECT * FROM carillon_outbox ORDER BY id")).mappings().all()
    return [
        {
            "id": UUID(str(row["id"])),
            "tenant_id": row["tenant_id"],
            "kind": row["kind"],
            "body": json.loads(row["body"]) if isinstance(row["body"], str) else row["body"],
            "idempotency_key": row["idempotency_key"],
        }
        for row in found
    ]
