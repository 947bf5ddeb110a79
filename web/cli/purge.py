"""flask purge: deletes what is past retention, now."""

from __future__ import annotations

from datetime import timedelta

import click

from actions import housekeeping
from web.cli.output import Group, json_option, progress, say
from web.context import context

operations = Group("operations")


@operations.command("purge")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help="Keep so many days; CARILLON_RETENTION_DAYS is the most, and the default.",
)
@json_option
def purge(days: int | None, as_json: bool) -> None:
    """Delete what has expired or is past retention, as the housekeeping does every ten minutes."""
    kept = min(days or context().settings.retention_days, context().settings.retention_days)
    rounds = housekeeping.purge(context(), timedelta(days=kept))
    with progress("deleting", rounds) as bar:
        total = sum(bar)
    say(as_json, {"deleted": total, "days": kept}, f"{total} rows deleted; {kept} days are kept")


COMMANDS = (purge,)
