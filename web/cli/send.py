"""carillon send: sends one notification, as a service would through the API."""

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
from carillon.requests import BulkItem
from models.channels import CHANNELS
from models.deliveries.lifecycle import State
from models.deliveries.status import count_deliveries
from models.lanes import Lane
from models.notifications.queries import find_notification
from models.sql.engine import read
from web.cli.output import Group, json_option, print_answer, table
from web.cli.tenants import require_tenant
from web.context import context

operations = Group("operations")

# The states in which a delivery needs no more waiting for.
_SETTLED = frozenset({"sent", "acked", "dead", "expired", "suppressed", "cancelled"})
_FAILED = frozenset({"dead", "expired"})
_POLL_INTERVAL = 0.2


def _json_object(_context: click.Context, _option: click.Parameter, value: str | None) -> dict[str, Any]:
    try:
        parsed = json.loads(value or "{}")
    except ValueError as error:
        raise click.BadParameter(f"is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise click.BadParameter("must be a JSON object")
    return parsed


@operations.command("send")
@click.option("--tenant", required=True)
@click.option("--user", "users", multiple=True, help="A recipient. Can be repeated.")
@click.option("--topic", help="Send to all subscribers of this topic.")
@click.option("--everyone", is_flag=True, help="Send to all users of the tenant.")
@click.option("--title", required=True)
@click.option("--message", required=True)
@click.option("--channel", "channels", multiple=True, type=click.Choice([*CHANNELS]), help="Can be repeated.")
@click.option("--level", default="info", show_default=True)
@click.option("--priority", type=click.Choice([lane.name for lane in Lane]), default="normal", show_default=True)
@click.option("--type", "type_", default="notification", show_default=True)
@click.option("--category")
@click.option("--data", callback=_json_object, help="A JSON object for the client.")
@click.option("--url", help="The page that a click on the notification opens.")
@click.option("--action-label", help="What the button that leads to that page says.")
@click.option("--key", help="The idempotency key. A second notification with the same key is not sent.")
@click.option("--require-known", is_flag=True, help="Refuse users and topics that do not exist yet.")
@click.option("--test", is_flag=True, help="Send to the lab only.")
@click.option("--wait", type=click.FloatRange(min=0), help="Wait up to this many seconds for the deliveries.")
@json_option
def send(as_json: bool, tenant: str, test: bool, wait: float | None, **fields: Any) -> None:
    """Send a notification.

    With --wait, the exit status is 1 if a delivery failed or is not settled in time.
    """
    require_tenant(tenant)
    caller = Principal("service", tenant, "flask send", "test" if test else "live")
    try:
        request = _request(fields)
        accepted = send_notification(context(), caller, request, request.idempotency_key)
    except Problem as problem:
        errors = "; ".join(f"{error.field} {error.message}" for error in problem.errors)
        raise click.ClickException(errors or problem.detail) from problem
    answer: dict[str, Any] = {"id": str(accepted.id), "replayed": accepted.replayed}
    if not as_json:
        click.echo(f"{accepted.id}{' (already sent)' if accepted.replayed else ''}")
    if wait is None:
        if as_json:
            print_answer(True, answer, "")
        return
    counts, settled = _wait_until_settled(tenant, accepted.id, wait)
    rows = [
        {"channel": channel, "state": state, "deliveries": number}
        for channel, states in counts.items()
        for state, number in states.items()
    ]
    print_answer(as_json, answer | {"deliveries": counts, "over": settled}, table(rows))
    if not settled or any(row["state"] in _FAILED for row in rows):
        raise click.exceptions.Exit(1)


def _request(fields: dict[str, Any]) -> BulkItem:
    audience = {"users": list(fields.pop("users")), "topic": fields.pop("topic"), "tenant": fields.pop("everyone")}
    given = {name: value for name, value in audience.items() if value}
    channels = list(fields.pop("channels"))
    fields["type"] = fields.pop("type_")
    fields["idempotency_key"] = fields.pop("key")
    other = {name: value for name, value in fields.items() if value is not None}
    body = {**other, "audience": given} | ({"channels": channels} if channels else {})
    return parse(BulkItem, body)


def _wait_until_settled(tenant: str, notification: UUID, seconds: float) -> tuple[dict[str, dict[str, int]], bool]:
    """Return (deliveries counted by channel and state, whether all of them are settled)."""
    end = time.monotonic() + seconds
    while True:
        with read(context().engine) as connection:
            row = find_notification(connection, tenant, notification)
            counts = count_deliveries(connection, notification)
        expanded = row is not None and row.state != "accepted"
        settled = expanded and all(State(state) in _SETTLED for states in counts.values() for state in states)
        if settled or time.monotonic() > end:
            return counts, settled
        time.sleep(_POLL_INTERVAL)


COMMANDS = (send,)
