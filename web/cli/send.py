"""flask send: one notification, as a service would send it."""

from __future__ import annotations

import json
import time
from typing import Any
from uuid import UUID

import click

from actions.parsing import parse
from actions.principal import Principal
from actions.problems import Problem
from actions.send import send as send_notification
from carillon.requests import Notification
from models.channels import CHANNELS
from models.deliveries.lifecycle import State
from models.deliveries.status import count_deliveries
from models.lanes import Lane
from models.notifications.queries import find_notification
from models.sql.engine import read
from web.cli.output import Group, json_option, say, table
from web.cli.tenants import require_tenant
from web.context import context

operations = Group("operations")

# What a delivery does not leave any more, as far as the sender is concerned.
_OVER = frozenset({"sent", "acked", "dead", "expired", "suppressed", "cancelled"})
_FAILED = frozenset({"dead", "expired"})
_LOOK = 0.2


def _json_object(_context: click.Context, _option: click.Parameter, value: str | None) -> dict[str, Any]:
    try:
        found = json.loads(value or "{}")
    except ValueError as error:
        raise click.BadParameter(f"is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise click.BadParameter("must be a JSON object")
    return found


@operations.command("send")
@click.option("--tenant", required=True)
@click.option("--user", "users", multiple=True, help="Whom; may be repeated.")
@click.option("--topic", help="Everybody on this topic's list.")
@click.option("--everyone", is_flag=True, help="Everybody in the tenant.")
@click.option("--title", required=True)
@click.option("--message", required=True)
@click.option("--channel", "channels", multiple=True, type=click.Choice([*CHANNELS]), help="May be repeated.")
@click.option("--level", default="info", show_default=True)
@click.option("--priority", type=click.Choice([lane.name for lane in Lane]), default="normal", show_default=True)
@click.option("--type", "type_", default="notification", show_default=True)
@click.option("--category")
@click.option("--data", callback=_json_object, help="A JSON object for the client.")
@click.option("--url", help="Where a click leads.")
@click.option("--key", help="An Idempotency-Key: sent again with the same key, it is not sent twice.")
@click.option("--test", is_flag=True, help="To the lab only.")
@click.option("--wait", type=click.FloatRange(min=0), help="Watch for at most so many seconds what becomes of it.")
@json_option
def send(as_json: bool, tenant: str, key: str | None, test: bool, wait: float | None, **said: Any) -> None:
    """Send a notification. With --wait, exit status 1 if a delivery failed or is still open at the end of the time."""
    require_tenant(tenant)
    caller = Principal("service", tenant, "flask send", "test" if test else "live")
    try:
        accepted = send_notification(context(), caller, _request(said), key)
    except Problem as problem:
        wrong = "; ".join(f"{error.field} {error.message}" for error in problem.errors)
        raise click.ClickException(wrong or problem.detail) from problem
    answer: dict[str, Any] = {"id": str(accepted.id), "replayed": accepted.replayed}
    if not as_json:
        click.echo(f"{accepted.id}{' (sent before)' if accepted.replayed else ''}")
    if wait is None:
        if as_json:
            say(True, answer, "")
        return
    counts, over = _watch(tenant, accepted.id, wait)
    rows = [
        {"channel": channel, "state": state, "deliveries": number}
        for channel, states in counts.items()
        for state, number in states.items()
    ]
    say(as_json, answer | {"deliveries": counts, "over": over}, table(rows))
    if not over or any(row["state"] in _FAILED for row in rows):
        raise click.exceptions.Exit(1)


def _request(said: dict[str, Any]) -> Notification:
    audience = {"users": list(said.pop("users")), "topic": said.pop("topic"), "tenant": said.pop("everyone")}
    named = {name: value for name, value in audience.items() if value}
    channels = list(said.pop("channels"))
    said["type"] = said.pop("type_")
    other = {name: value for name, value in said.items() if value is not None}
    body = {**other, "audience": named} | ({"channels": channels} if channels else {})
    return parse(Notification, body)


def _watch(tenant: str, notification: UUID, seconds: float) -> tuple[dict[str, dict[str, int]], bool]:
    """(deliveries counted by channel and state, whether all of them are over)."""
    end = time.monotonic() + seconds
    while True:
        with read(context().engine) as connection:
            row = find_notification(connection, tenant, notification)
            counts = count_deliveries(connection, notification)
        expanded = row is not None and row.state != "accepted"
        over = expanded and all(State(state) in _OVER for states in counts.values() for state in states)
        if over or time.monotonic() > end:
            return counts, over
        time.sleep(_LOOK)


COMMANDS = (send,)
