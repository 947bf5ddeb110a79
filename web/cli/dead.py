"""carillon dead: lists dead letters and redrives them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import click

from actions.redrive import MAX_AT_ONCE, redrive
from config.audiences import EVERY_TENANT
from models.channels import CHANNELS
from models.deliveries.dead_letters import DeadFilter, count_dead, list_dead
from models.deliveries.lifecycle import OPEN, Failure, State
from models.deliveries.redrives import outcomes
from models.deliveries.status import Outcome
from models.sql.engine import read
from web.cli.caller import operator
from web.cli.output import Command, Group, json_option, print_answer, progress, table
from web.context import context

dead = Group("dead", help="Dead letters: deliveries that failed for good.")
COMMANDS = (dead,)

_POLL_INTERVAL = 0.2


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
@click.option("--wait", type=click.FloatRange(min=0), help="Wait up to this many seconds for what becomes of them.")
@json_option
def redrive_letters(limit: int, wait: float | None, as_json: bool, **filters: Any) -> None:
    """Make dead letters pending again and reset their attempts.

    Those that would not be sent all the same stay dead: expired, recalled, handled by the user, or the address is gone.
    """
    which = _filter(**filters)
    caller = operator(which.tenant_id or EVERY_TENANT)
    with read(context().engine) as connection:
        found = sum(count_dead(connection, which).values())
    done = 0
    id_: UUID | None = None
    hopeless: Mapping[str, int] = {}
    with progress("redriving", length=min(found, limit)) as bar:
        while done < limit:
            step = redrive(context(), caller, which, min(MAX_AT_ONCE, limit - done), id_)
            id_, hopeless = step.id, step.not_redriven
            done += step.redriven
            bar.update(step.redriven)
            if not step.remaining:
                break
    became = _wait_for(id_, wait) if id_ is not None and done and wait is not None else []
    kept = [f"{number} not redriven: {why}" for why, number in hopeless.items()]
    name = [f"redrive {id_}"] if done else []
    rows = [outcome._asdict() for outcome in became]
    answer = {"id": id_, "redriven": done, "not_redriven": dict(hopeless)} | (
        {"outcomes": rows} if wait is not None else {}
    )
    print_answer(as_json, answer, "\n".join([f"{done} redriven", *kept, *name, *([table(rows)] if rows else [])]))


def _wait_for(redrive_id: UUID, seconds: float) -> list[Outcome]:
    end = time.monotonic() + seconds
    while True:
        with read(context().engine) as connection:
            found = outcomes(connection, redrive_id)
        if time.monotonic() > end or all(State(outcome.state) not in OPEN for outcome in found):
            return found
        time.sleep(_POLL_INTERVAL)
