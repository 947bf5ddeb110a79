"""carillon topics: lists of users that a notification can be addressed to."""

from __future__ import annotations

import click
from pydantic import TypeAdapter, ValidationError

from actions import topics as actions
from carillon.fields import Topic, UserId
from models.sql.engine import read
from models.topics.queries import list_members, list_topics
from web.cli.caller import operator
from web.cli.output import Group, json_option, print_answer, table
from web.cli.tenants import require_tenant
from web.context import context

topics = Group("topics", help="Topics and their members.")
COMMANDS = (topics,)

_LIMIT = click.option("--limit", type=click.IntRange(1, 10_000), default=1000, show_default=True)
_AFTER = click.option("--after", default="", help="Begin after this name.")
_TENANT = click.option("--tenant", required=True)


def _checked(type_: type[str], what: str, value: str) -> str:
    try:
        return TypeAdapter(type_).validate_python(value)
    except ValidationError as error:
        raise click.BadParameter(f"{value!r} is no {what}: {error.errors()[0]['msg']}") from error


@topics.command("list")
@_TENANT
@_AFTER
@_LIMIT
@json_option
def list_all(tenant: str, after: str, limit: int, as_json: bool) -> None:
    """List a tenant's topics, with the number of their members."""
    require_tenant(tenant)
    with read(context().engine) as connection:
        rows = [row._asdict() for row in list_topics(connection, tenant, after=after, limit=limit)]
    print_answer(as_json, {"data": rows}, table(rows))


@topics.command("members")
@click.argument("topic")
@_TENANT
@_AFTER
@_LIMIT
@json_option
def members(topic: str, tenant: str, after: str, limit: int, as_json: bool) -> None:
    """List the users who are subscribed to a topic."""
    require_tenant(tenant)
    with read(context().engine) as connection:
        found = list_members(connection, tenant, _checked(Topic, "topic", topic), after=after, limit=limit)
    print_answer(as_json, {"data": [{"user": user} for user in found]}, "\n".join(found) or "none")


@topics.command("subscribe")
@click.argument("topic")
@click.argument("users", nargs=-1, required=True)
@_TENANT
@json_option
def subscribe(topic: str, users: tuple[str, ...], tenant: str, as_json: bool) -> None:
    """Subscribe users to a topic. Unknown users are created."""
    require_tenant(tenant)
    named = [_checked(UserId, "user id", user) for user in users]
    number = actions.add_members(context(), operator(tenant), _checked(Topic, "topic", topic), named)
    print_answer(as_json, {"topic": topic, "members": number}, f"{number} subscribed to {topic}")


@topics.command("unsubscribe")
@click.argument("topic")
@click.argument("users", nargs=-1, required=True)
@_TENANT
@json_option
def unsubscribe(topic: str, users: tuple[str, ...], tenant: str, as_json: bool) -> None:
    """Unsubscribe users from a topic."""
    require_tenant(tenant)
    named = [_checked(UserId, "user id", user) for user in users]
    number = actions.remove_members(context(), operator(tenant), _checked(Topic, "topic", topic), named)
    print_answer(as_json, {"topic": topic, "removed": number}, f"{number} unsubscribed from {topic}")
