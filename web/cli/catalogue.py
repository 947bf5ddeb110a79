"""flask catalogue: the types of events."""

from __future__ import annotations

import click

from models.catalogue.event_type import EventType
from models.catalogue.queries import all_types
from models.sql.engine import read
from models.tenants.queries import tenant_exists
from web import typescript
from web.cli.output import Group, json_option, say, table
from web.context import context

catalogue = Group("catalogue", help="The types of events.")


def _types(tenant: str | None) -> list[EventType]:
    common = context().catalogue
    if tenant is None:
        return [common[name] for name in sorted(common)]
    with read(context().engine) as connection:
        if not tenant_exists(connection, tenant):
            raise click.ClickException(f"there is no tenant {tenant}")
        return all_types(connection, tenant, common)


@catalogue.command("list")
@click.option("--tenant", help="With what this tenant has declared.")
@json_option
def list_types(tenant: str | None, as_json: bool) -> None:
    """List the types."""
    types = _types(tenant)
    plain = [{"name": t.name, "rooms": ", ".join(t.rooms), "ttl": t.ttl, "title": t.title} for t in types]
    say(as_json, [t.model_dump() for t in types], table(plain))


@catalogue.command("typescript")
@click.option("--tenant", help="With what this tenant has declared.")
def as_typescript(tenant: str | None) -> None:
    """Print TypeScript: constants of the names, and types of the payloads."""
    click.echo(typescript.render(_types(tenant)), nl=False)


COMMANDS = (catalogue,)
