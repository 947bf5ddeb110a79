"""flask tenants: isolated customers."""

from __future__ import annotations

import click

from actions import tenants as actions
from models.sql.engine import read
from models.tenants.queries import MAX_WEIGHT, dialect_of, tenant_exists, weight_of
from web.auth import TENANT
from web.cli.output import Group, json_option, print_answer
from web.context import context
from web.dialects import MIXED, ROOT_DIALECTS

tenants = Group("tenants", help="Isolated customers.")
COMMANDS = (tenants,)


def require_tenant(tenant: str) -> None:
    """Fail with one line if there is no such tenant."""
    with read(context().engine) as connection:
        if not tenant_exists(connection, tenant):
            raise click.ClickException(f"there is no tenant {tenant}: run flask tenants create {tenant}")


@tenants.command("create")
@click.argument("tenant")
@click.option("--name", help="A display name. Default: the id.")
@json_option
def create_tenant(tenant: str, name: str | None, as_json: bool) -> None:
    """Create a tenant. Does nothing if it exists."""
    if not TENANT.fullmatch(tenant):
        raise click.ClickException("the id of a tenant must be 1 to 64 letters, digits and _ . : -")
    _, created = actions.create_tenant(context(), tenant, (name or tenant)[:200])
    print_answer(
        as_json, {"tenant": tenant, "created": created}, f"{tenant} {'created' if created else 'exists already'}"
    )


@tenants.command("dialect")
@click.argument("tenant")
@click.argument("dialect", required=False, type=click.Choice(ROOT_DIALECTS))
@json_option
def tenant_dialect(tenant: str, dialect: str | None, as_json: bool) -> None:
    """Set the dialect of Socket.IO clients that do not choose one. Without DIALECT, print it.

    A new dialect applies from a client's next connection. New tenants have canonical: each event once. With mixed,
    every event has its names in all dialects, so that clients of every earlier system work.
    """
    require_tenant(tenant)
    if dialect is not None:
        actions.choose_dialect(context(), tenant, dialect)
    with read(context().engine) as connection:
        current = dialect_of(connection, tenant) or MIXED.name
    print_answer(as_json, {"tenant": tenant, "dialect": current}, current)


@tenants.command("weight")
@click.argument("tenant")
@click.argument("weight", required=False, type=click.IntRange(1, MAX_WEIGHT))
@json_option
def tenant_weight(tenant: str, weight: int | None, as_json: bool) -> None:
    """Set a tenant's weight. Without WEIGHT, print it.

    Each batch is divided among the tenants with due deliveries in proportion to their weights. What a tenant does not
    need goes to the others. The default is 1. A new weight applies from the next batch.
    """
    require_tenant(tenant)
    if weight is not None:
        actions.set_weight(context(), tenant, weight)
    with read(context().engine) as connection:
        current = weight_of(connection, tenant)
    print_answer(as_json, {"tenant": tenant, "weight": current}, str(current))
