"""carillon notifications show, carillon recall: what became of a notification, and taking it back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import click

from actions import recall as actions
from actions.problems import not_found
from models.deliveries.dead_letters import DeadFilter, count_hopeless
from models.deliveries.message import Action
from models.deliveries.status import count_deliveries, count_reasons
from models.lanes import Lane
from models.notifications.queries import find_notification
from models.sql.engine import read
from web.cli.caller import operator
from web.cli.output import Group, json_option, print_answer, table
from web.cli.tenants import require_tenant
from web.context import context

notifications = Group("notifications", help="Notifications, and what became of them.")
operations = Group("operations")


@notifications.command("show")
@click.argument("notification", type=click.UUID)
@click.option("--tenant", required=True)
@json_option
def show(notification: UUID, tenant: str, as_json: bool) -> None:
    """Show a notification, with its deliveries by state and the reasons of those that did not arrive."""
    require_tenant(tenant)
    with read(context().engine) as connection:
        row = find_notification(connection, tenant, notification)
        if row is None:
            raise not_found("notification")
        counts = count_deliveries(connection, row.id)
        withdrawals = count_deliveries(connection, row.id, Action.WITHDRAW)
        reasons = [reason._asdict() for reason in count_reasons(connection, row.id)]
        hopeless = count_hopeless(connection, DeadFilter(notification_id=row.id), context().now())
    facts = {
        "id": str(row.id),
        "state": row.state,
        "mode": row.mode,
        "title": row.title,
        "type": row.type,
        "priority": Lane(row.lane).name,
        "recipients": row.recipients,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
    }
    answer = facts | {
        "deliveries": counts,
        "withdrawals": withdrawals,
        "reasons": reasons,
        "not_redrivable": hopeless,
    }
    head = table([{"": name, " ": value} for name, value in facts.items()]).partition("\n")[2]
    rows = [*_rows("show", counts), *_rows("withdraw", withdrawals)]
    why = f"\n\n{table(reasons)}" if reasons else ""
    print_answer(as_json, answer, f"{head}\n\n{table(rows) if rows else 'no deliveries'}{why}")


def _rows(action: str, counts: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    return [
        {"action": action, "channel": channel, "state": state, "deliveries": number}
        for channel, states in counts.items()
        for state, number in states.items()
    ]


@operations.command("recall")
@click.argument("notification", type=click.UUID)
@click.option("--tenant", required=True)
@click.option("--test", is_flag=True, help="The notification was sent with a test key.")
@json_option
def recall(notification: UUID, tenant: str, test: bool, as_json: bool) -> None:
    """Recall a notification: cancel pending deliveries, and withdraw shown ones where the channel can do it."""
    require_tenant(tenant)
    result = actions.recall(context(), operator(tenant, "test" if test else "live"), notification)
    print_answer(as_json, {"id": str(result.id), "state": result.state, "begun": result.begun}, result.state)


COMMANDS = (notifications, recall)
