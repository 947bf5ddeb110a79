"""carillon catalogue: the event types."""

from __future__ import annotations

import click

from models.catalogue.event_type import EventType
from models.catalogue.queries import all_types
from models.sql.engine import read
from web import typescript
from web.cli.output import Group, json_option, print_answer, table
from web.cli.tenants import require_tenant
from web.context import context

catalogue = Group("catalogue", help="Event types.")


def _types(tenant: str | None) -> list[EventType]:
    common = context().catalogue
    if tenant is None:
        return [common[name] for name in sorted(common)]
    require_tenant(tenant)
    with read(context().engine) as connection:
        return all_types(connection, tenant, common)


@catalogue.command("list")
@click.option("--tenant", help="Include the types that this tenant has declared.")
@json_option
def list_types(tenant: str | None, as_json: bool) -> None:
    """List event types."""
    types = _types(tenant)
    rows = [{"name": t.name, "rooms": ", ".join(t.rooms), "ttl": t.ttl, "title": t.title} for t in types]
    print_answer(as_json, [t.model_dump() for t in types], table(rows))


@catalogue.command("typescript")
@click.option("--tenant", help="Include the types that this tenant has declared.")
def as_typescript(tenant: str | None) -> None:
    """Print TypeScript: constants for the names, and types for the payloads."""
    click.echo(typescript.render(_types(tenant)), nl=False)


COMMANDS = (catalogue,)
