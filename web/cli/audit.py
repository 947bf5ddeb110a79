"""carillon audit: who changed what in the administration."""

from __future__ import annotations

import json
from uuid import UUID

import click

from models.audit.queries import list_records
from models.sql.engine import read
from web.cli.output import Group, json_option, print_answer, table
from web.context import context

operations = Group("operations")


@operations.command("audit")
@click.option("--tenant", help="Only this tenant's. Default: every tenant's and the installation's.")
@click.option("--action", help="Only this action, such as key.create.")
@click.option("--before", type=click.UUID, help="Only records older than the one with this id.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def audit(tenant: str | None, action: str | None, before: UUID | None, limit: int, as_json: bool) -> None:
    """List who changed what in the administration, newest first."""
    with read(context().engine) as connection:
        records = list_records(connection, tenant, action=action, before=before, limit=limit)
    rows = [
        {
            "at": record.at,
            "who": f"{record.actor_kind} {record.actor}",
            "action": record.action,
            "tenant": record.tenant_id,
            "subject": record.subject,
            "from": record.ip,
            "details": json.dumps(record.details),
        }
        for record in records
    ]
    print_answer(as_json, {"data": [record._asdict() for record in records]}, table(rows))


COMMANDS = (audit,)
