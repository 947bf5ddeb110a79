"""flask dead: lists dead letters and redrives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import click

from actions.redrive import MAX_AT_ONCE, redrive
from models.channels import CHANNELS
from models.deliveries.dead_letters import DeadFilter, count_dead, list_dead
from models.deliveries.lifecycle import Failure
from models.sql.engine import read
from web.cli.output import Command, Group, json_option, print_answer, progress, table
from web.context import context

dead = Group("dead", help="Dead letters: deliveries that failed for good.")
COMMANDS = (dead,)


def _filters(command: Command) -> Command:
    options: list[Callable[[Any], Any]] = [
        click.option("--tenant", help="Only this tenant's. Default: every tenant's."),
        click.option("--failure", type=click.Choice([f.value for f in Failure]), help="Only this class of failure."),
        click.option("--channel", type=click.Choice([*CHANNELS]), help="Only this channel's."),
        click.option("--notification", type=click.UUID, help="Only this notification's. The id of the notification."),
        click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="At most this many."),
    ]
    for option in options:
        command = option(command)
    return command


def _filter(tenant: str | None, failure: str | None, channel: str | None, notification: UUID | None) -> DeadFilter:
    return DeadFilter(
        tenant_id=tenant,
        failure=Failure(failure) if failure else None,
        channel=channel,
        notification_id=notification,
    )


@dead.command("list")
@_filters
@json_option
def list_letters(limit: int, as_json: bool, **filters: Any) -> None:
    """List dead letters, oldest first, and count them by class of failure."""
    which = _filter(**filters)
    with read(context().engine) as connection:
        rows = list_dead(connection, which, limit=limit)
        counts = count_dead(connection, which)
    columns = ("id", "tenant_id", "notification_id", "user", "channel", "failure", "attempts", "created_at", "reason")
    letters = [{name: getattr(row, name) for name in columns} for row in rows]
    summary = ", ".join(f"{number} {failure}" for failure, number in sorted(counts.items())) or "no dead letters"
    print_answer(as_json, {"data": letters, "counts": counts}, f"{table(letters)}\n{summary}" if letters else summary)


@dead.command("redrive")
@_filters
@json_option
def redrive_letters(limit: int, as_json: bool, **filters: Any) -> None:
    """Make dead letters pending again and reset their attempts. Expired ones stay dead."""
    which = _filter(**filters)
    with read(context().engine) as connection:
        found = sum(count_dead(connection, which).values())
    done = 0
    with progress("redriving", length=min(found, limit)) as bar:
        while done < limit:
            number = redrive(context(), which, min(MAX_AT_ONCE, limit - done))
            done += number
            bar.update(number)
            if number < MAX_AT_ONCE:
                break
    print_answer(as_json, {"redriven": done}, f"{done} redriven")
