"""carillon tenants: isolated customers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

import click

from actions import tenants as actions
from actions.usage_period import period
from carillon.fields import TenantId, Title
from carillon.problems import ValidationError
from carillon.validation import checked
from models.sql.engine import read
from models.tenants.queries import MAX_WEIGHT, dialect_of, list_tenants, tenant_exists, weight_of
from models.tenants.quotas import Quota
from models.usage.queries import Used, by_day, by_tenant
from web.cli.caller import operator
from web.cli.output import Group, json_option, print_answer, table
from web.context import context
from web.dialects import MIXED, ROOT_DIALECTS
from web.hints import command

tenants = Group("tenants", help="Isolated customers.")
COMMANDS = (tenants,)


def require_tenant(tenant: str) -> None:
    """Fail with one line if there is no such tenant."""
    with read(context().engine) as connection:
        if not tenant_exists(connection, tenant):
            hint = command("tenants", "create", tenant)
            raise click.ClickException(f"there is no tenant {tenant}: run {hint}")


@tenants.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List the tenants."""
    with read(context().engine) as connection:
        rows = [row._asdict() for row in list_tenants(connection)]
    print_answer(as_json, {"data": rows}, table(rows))


def display_name(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return a name that is valid at every door. Raises BadParameter."""
    try:
        return None if value is None else checked("name", Title, value)
    except ValidationError as error:
        raise click.BadParameter(error.errors[0].message) from error


@tenants.command("create")
@click.argument("tenant")
@click.option("--name", callback=display_name, help="A display name. Default: the id.")
@json_option
def create_tenant(tenant: str, name: str | None, as_json: bool) -> None:
    """Create a tenant. Does nothing if it exists."""
    try:
        checked("tenant", TenantId, tenant)
    except ValidationError as error:
        raise click.ClickException(str(error)) from error
    _, created = actions.create_tenant(context(), operator(), tenant, name or tenant)
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
        actions.choose_dialect(context(), operator(), tenant, dialect)
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
        actions.set_weight(context(), operator(), tenant, weight)
    with read(context().engine) as connection:
        current = weight_of(connection, tenant)
    print_answer(as_json, {"tenant": tenant, "weight": current}, str(current))


@tenants.command("quota")
@click.argument("tenant")
@click.argument("quota", required=False, type=click.Choice([quota.value for quota in Quota]))
@click.argument("number", required=False, type=click.IntRange(min=1))
@json_option
def tenant_quota(tenant: str, quota: str | None, number: int | None, as_json: bool) -> None:
    """Set one of a tenant's quotas. Without NUMBER, print them, and how much of each is used.

    Of the quotas per day, what was used comes back evenly over 24 hours.
    """
    require_tenant(tenant)
    if quota is not None and number is not None:
        actions.set_quota(context(), operator(), tenant, Quota(quota), number)
    found = [one for one in context().quotas.used(tenant) if quota in (None, one.quota)]
    rows = [{"quota": str(one.quota), "limit": one.limit, "used": one.used} for one in found]
    print_answer(as_json, {"tenant": tenant, "data": rows}, table(rows))


_DAY = click.DateTime(["%Y-%m-%d"])


@tenants.command("usage")
@click.argument("tenant", required=False)
@click.option(
    "--since", type=_DAY, metavar="DAY", help="The first day (UTC), such as 2026-11-01. Default: 30 days in all."
)
@click.option("--until", type=_DAY, metavar="DAY", help="The last day (UTC). Default: today.")
@click.option("--mode", type=click.Choice(["live", "test"]), default="live", show_default=True)
@json_option
def tenant_usage(
    tenant: str | None, since: datetime | None, until: datetime | None, mode: Literal["live", "test"], as_json: bool
) -> None:
    """Print what a tenant used on each day. Without TENANT, what each tenant used in all.

    Deliveries are counted by channel and by the state in which they ended. Days and tenants without any are left out.
    """
    today = context().now().astimezone(UTC).date()
    first, last = period(since and since.date(), until and until.date(), today)
    found: Mapping[Any, Used]
    if tenant is not None:
        require_tenant(tenant)
    with read(context().engine) as connection:
        if tenant is not None:
            found = by_day(connection, tenant, mode, first, last)
        else:
            found = by_tenant(connection, mode, first, last)
    name = "tenant" if tenant is None else "day"
    data = [{name: str(key)} | asdict(used) for key, used in found.items()]
    ended = sorted(
        {
            (channel, state)
            for used in found.values()
            for channel in used.deliveries
            for state in used.deliveries[channel]
        }
    )
    rows = [
        {name: key, "notifications": used.notifications, "recipients": used.recipients}
        | {f"{channel} {state}": used.deliveries.get(channel, {}).get(state, 0) for channel, state in ended}
        for key, used in found.items()
    ]
    print_answer(as_json, {"since": str(first), "until": str(last), "mode": mode, "data": data}, table(rows))
