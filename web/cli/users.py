"""flask users: who is known, how they can be reached, and forgetting them."""

from __future__ import annotations

from typing import Any

import click

from actions.principal import Principal
from actions.problems import Problem
from actions.users import delete_user
from models.sql.engine import read
from models.users.search import find_users
from web.api.operator.users import UserPage, page_of
from web.cli.output import Group, json_option, say, table
from web.context import context

users = Group("users", help="People, and how they can be reached.")
COMMANDS = (users,)


@users.command("list")
@click.option("--tenant", required=True)
@click.option("--search", help="A part of the id, or the whole of a mailbox.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@json_option
def list_users(tenant: str, search: str | None, limit: int, as_json: bool) -> None:
    """List a tenant's users, newest first."""
    rows: list[dict[str, Any]] = []
    before: int | None = None
    while True:
        with read(context().engine) as connection:
            found = find_users(connection, tenant, search, before=before, limit=limit - len(rows))
        rows += [
            {"user": row.external_id, "email": row.email, "devices": row.devices, "created_at": row.created_at}
            for row in found.rows
        ]
        before = found.next
        if before is None or len(rows) >= limit:
            break
    say(as_json, {"data": rows, "more": before is not None}, table(rows) + ("\nand more" if before else ""))


@users.command("show")
@click.argument("user")
@click.option("--tenant", required=True)
@json_option
def show_user(user: str, tenant: str, as_json: bool) -> None:
    """Tell all that is known of a user, and where a notification of now would go."""
    try:
        page = page_of(tenant, user)
    except Problem as problem:
        raise click.ClickException(f"{tenant} has no user {user}: run flask users list --tenant {tenant}") from problem
    say(as_json, page.model_dump(mode="json"), _described(page))


def _described(page: UserPage) -> str:
    facts = {
        "user": page.user.id,
        "presence": page.presence or "not known",
        "email": page.user.email or "-",
        "locale": page.user.locale or "-",
        "topics": ", ".join(page.topics) or "-",
    }
    shown = ("id", "platform", "state", "last_seen_at")
    devices = [{name: getattr(device, name) for name in shown} for device in page.devices]
    reach = [
        {"channel": reach.channel, "goes to": ", ".join(reach.addresses) or f"nobody: {reach.reason}"}
        for reach in page.reach
    ]
    head = "\n".join(f"{name.ljust(10)}{value}" for name, value in facts.items())
    return f"{head}\n\n{table(devices) if devices else 'no devices'}\n\n{table(reach)}"


@users.command("delete")
@click.argument("user")
@click.option("--tenant", required=True)
@click.confirmation_option(prompt="Their devices, inbox and deliveries go with them, for good. Delete?")
@json_option
def forget_user(user: str, tenant: str, as_json: bool) -> None:
    """Delete a user with everything that is theirs. --yes asks no questions."""
    try:
        delete_user(context(), Principal("service", tenant, "flask users", "live"), user)
    except Problem as problem:
        raise click.ClickException(f"{tenant} has no user {user}: run flask users list --tenant {tenant}") from problem
    say(as_json, {"user": user, "deleted": True}, f"{user} deleted")
