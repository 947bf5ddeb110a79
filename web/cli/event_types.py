"""carillon event-types: the types that a tenant can emit, and its own declarations."""

from __future__ import annotations

import json
from typing import Any, TextIO

import click

from actions import event_types as actions
from actions.parsing import parse
from models.catalogue.event_type import Declaration
from models.catalogue.queries import all_types, find
from models.sql.engine import read
from web.cli.caller import operator
from web.cli.output import Group, json_option, print_answer, table
from web.cli.tenants import require_tenant
from web.context import context
from web.hints import command

event_types = Group("event-types", help="A tenant's own event types.")
COMMANDS = (event_types,)

_TENANT = click.option("--tenant", required=True)


@event_types.command("list")
@_TENANT
@json_option
def list_types(tenant: str, as_json: bool) -> None:
    """List the types that the tenant's clients can receive or send."""
    require_tenant(tenant)
    with read(context().engine) as connection:
        types = all_types(connection, tenant, context().catalogue)
    common = context().catalogue
    rows = [{"name": t.name, "own": common.get(t.name) != t, "ttl": t.ttl, "title": t.title} for t in types]
    print_answer(as_json, {"data": [t.model_dump() for t in types]}, table(rows))


@event_types.command("show")
@click.argument("name")
@_TENANT
@json_option
def show(name: str, tenant: str, as_json: bool) -> None:
    """Show the declaration of a type, as `define` reads it."""
    require_tenant(tenant)
    with read(context().engine) as connection:
        type_ = find(connection, tenant, name, context().catalogue)
    if type_ is None:
        hint = command("event-types", "list", "--tenant", tenant)
        raise click.ClickException(f"{tenant} has no event type {name}: run {hint}")
    declaration: dict[str, Any] = type_.model_dump(mode="json", include=set(Declaration.model_fields))
    print_answer(as_json, {"name": name, **declaration}, json.dumps(declaration, indent=2))


@event_types.command("define")
@click.argument("name")
@click.argument("file", type=click.File())
@_TENANT
@json_option
def define(name: str, file: TextIO, tenant: str, as_json: bool) -> None:
    """Declare a type for the tenant, or replace its declaration. FILE is JSON; - is standard input."""
    require_tenant(tenant)
    try:
        document = json.load(file)
    except ValueError as error:
        raise click.ClickException(f"{file.name} is not JSON: {error}") from error
    actions.declare(context(), operator(tenant), name, parse(Declaration, document))
    print_answer(as_json, {"name": name, "defined": True}, f"{name} defined")


@event_types.command("delete")
@click.argument("name")
@_TENANT
@json_option
def delete(name: str, tenant: str, as_json: bool) -> None:
    """Delete the tenant's declaration of a type. A common type of that name applies again."""
    require_tenant(tenant)
    actions.withdraw(context(), operator(tenant), name)
    print_answer(as_json, {"name": name, "deleted": True}, f"{name} deleted")
