"""carillon keys: API keys of services."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import click

from actions import tenants as actions
from actions.problems import Problem
from models.sql.engine import read
from models.tenants.api_keys import list_api_keys
from web.cli.caller import operator
from web.cli.output import Group, json_option, print_answer, table
from web.cli.tenants import display_name, require_tenant
from web.context import context
from web.hints import command

keys = Group("keys", help="API keys of services.")
COMMANDS = (keys,)


@keys.command("create")
@click.option("--tenant", required=True)
@click.option("--mode", type=click.Choice(["live", "test"]), default="live", show_default=True)
@click.option("--name", required=True, callback=display_name, help="What the key is for.")
@click.option("--expires-in", type=click.IntRange(1, 3650), metavar="DAYS", help="Refuse the key after this many days.")
@json_option
def create_key(tenant: str, mode: Literal["live", "test"], name: str, expires_in: int | None, as_json: bool) -> None:
    """Create an API key and print it. It cannot be shown again."""
    require_tenant(tenant)
    expires_at = context().now() + timedelta(days=expires_in) if expires_in is not None else None
    key, _ = actions.create_key(context(), operator(), tenant, mode, name, expires_at)
    answer = {"key": key, "tenant": tenant, "mode": mode, "name": name, "expires_at": expires_at}
    print_answer(as_json, answer, key)


@keys.command("list")
@click.option("--tenant", required=True)
@json_option
def list_keys(tenant: str, as_json: bool) -> None:
    """List a tenant's API keys, with their prefixes."""
    require_tenant(tenant)
    with read(context().engine) as connection:
        rows = [row._asdict() for row in list_api_keys(connection, tenant)]
    print_answer(as_json, rows, table(rows))


@keys.command("revoke")
@click.argument("prefix")
@click.option("--tenant", required=True)
@json_option
def revoke_key(prefix: str, tenant: str, as_json: bool) -> None:
    """Revoke an API key at once. PREFIX is what `keys list` shows."""
    try:
        actions.revoke_key(context(), operator(), tenant, prefix)
    except Problem as problem:
        hint = command("keys", "list", "--tenant", tenant)
        raise click.ClickException(f"{tenant} has no key {prefix}: run {hint}") from problem
    print_answer(as_json, {"prefix": prefix, "revoked": True}, f"{prefix} revoked")
