"""carillon users: lists users, shows how they can be reached, and deletes them."""

from __future__ import annotations

from typing import Any

import click

from actions.problems import Problem
from actions.users import delete_user, enable_email
from models.sql.engine import read
from models.timestamps import iso
from models.users.search import find_users
from web.api.operator.users import UserPage, page_of
from web.api.users import UserView, user_view
from web.cli.caller import operator
from web.cli.output import Group, json_option, print_answer, table
from web.context import context
from web.hints import command

users = Group("users", help="Users, and how they can be reached.")
COMMANDS = (users,)


@users.command("list")
@click.option("--tenant", required=True)
@click.option("--search", help="Part of the id, or a whole e-mail address.")
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
            {
                "user": row.external_id,
                "email": row.email,
                "email_disabled_at": row.email_disabled_at,
                "devices": row.devices,
                "created_at": row.created_at,
            }
            for row in found.rows
        ]
        before = found.next
        if before is None or len(rows) >= limit:
            break
    print_answer(as_json, {"data": rows, "more": before is not None}, table(rows) + ("\nand more" if before else ""))


@users.command("show")
@click.argument("user")
@click.option("--tenant", required=True)
@json_option
def show_user(user: str, tenant: str, as_json: bool) -> None:
    """Show a user's data, and where a notification would go now."""
    try:
        page = page_of(tenant, user)
    except Problem as problem:
        hint = command("users", "list", "--tenant", tenant)
        raise click.ClickException(f"{tenant} has no user {user}: run {hint}") from problem
    print_answer(as_json, page.model_dump(mode="json"), _described(page))


def _described(page: UserPage) -> str:
    facts = {
        "user": page.user.id,
        "presence": page.presence or "unknown",
        "email": _email(page.user) or "-",
        "locale": page.user.locale or "-",
        "topics": ", ".join(page.topics) or "-",
    }
    columns = ("id", "platform", "state", "last_seen_at", "disabled_at", "disabled_reason")
    devices = [{name: getattr(device, name) for name in columns} for device in page.devices]
    reach = [
        {"channel": reach.channel, "goes to": ", ".join(reach.addresses) or f"none: {reach.reason}"}
        for reach in page.reach
    ]
    head = "\n".join(f"{name.ljust(10)}{value}" for name, value in facts.items())
    return f"{head}\n\n{table(devices) if devices else 'no devices'}\n\n{table(reach)}"


def _email(user: UserView) -> str | None:
    if user.email_disabled_at is None:
        return user.email
    return f"{user.email}, disabled since {iso(user.email_disabled_at)}: {user.email_disabled_reason}"


@users.command("enable-email")
@click.argument("user")
@click.option("--tenant", required=True)
@json_option
def enable_email_command(user: str, tenant: str, as_json: bool) -> None:
    """Send to a user's e-mail address again, after the mail server said that it does not exist."""
    enabled = user_view(enable_email(context(), operator(tenant), user))
    print_answer(as_json, enabled.model_dump(mode="json"), f"{enabled.email} is used")


@users.command("delete")
@click.argument("user")
@click.option("--tenant", required=True)
@click.confirmation_option(prompt="This also deletes their devices, inbox and deliveries, for good. Delete?")
@json_option
def delete_user_command(user: str, tenant: str, as_json: bool) -> None:
    """Delete a user and everything that belongs to them. --yes skips the confirmation."""
    try:
        delete_user(context(), operator(tenant), user)
    except Problem as problem:
        hint = command("users", "list", "--tenant", tenant)
        raise click.ClickException(f"{tenant} has no user {user}: run {hint}") from problem
    print_answer(as_json, {"user": user, "deleted": True}, f"{user} deleted")
