"""flask tenants: isolated customers."""

from __future__ import annotations

import click

from actions import tenants as actions
from models.sql.engine import read
from models.tenants.queries import MAX_WEIGHT, dialect_of, tenant_exists, weight_of
from web.auth import TENANT
from web.cli.output import Group, json_option, say
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
@click.option("--name", help="For people; the id if not given.")
@json_option
def create_tenant(tenant: str, name: str | None, as_json: bool) -> None:
    """Create a tenant. Nothing is done where it exists."""
    if not TENANT.fullmatch(tenant):
        raise click.ClickException("the id of a tenant has 1 to 64 letters, digits and _ . : -")
    _, created = actions.create_tenant(context(), tenant, (name or tenant)[:200])
    say(as_json, {"tenant": tenant, "created": created}, f"{tenant} {'created' if created else 'exists already'}")


@tenants.command("dialect")
@click.argument("tenant")
@click.argument("dialect", required=False, type=click.Choice(ROOT_DIALECTS))
@json_option
def tenant_dialect(tenant: str, dialect: str | None, as_json: bool) -> None:
    """Say what Socket.IO clients speak that name no dialect, or tell what they do. It holds from their next connection.

    mixed, where nothing was said: all names at once, so that every kind of client works without being told.
    """
    require_tenant(tenant)
    if dialect is not None:
        actions.choose_dialect(context(), tenant, dialect)
    with read(context().engine) as connection:
        spoken = dialect_of(connection, tenant) or MIXED.name
    say(as_json, {"tenant": tenant, "dialect": spoken}, spoken)


@tenants.command("weight")
@click.argument("tenant")
@click.argument("weight", required=False, type=click.IntRange(1, MAX_WEIGHT))
@json_option
def tenant_weight(tenant: str, weight: int | None, as_json: bool) -> None:
    """Say how many times the share of a tenant of weight 1 it gets, or tell it. It holds from the next batch on.

    1, where nothing was said. Each batch is divided by the weights of those who wait; what one does not need goes to
    the others.
    """
    require_tenant(tenant)
    if weight is not None:
        actions.set_weight(context(), tenant, weight)
    with read(context().engine) as connection:
        holds = weight_of(connection, tenant)
    say(as_json, {"tenant": tenant, "weight": holds}, str(holds))
