"""carillon purge: deletes data past retention now."""

from __future__ import annotations

from datetime import timedelta

import click

from actions import housekeeping
from web.cli.caller import operator
from web.cli.output import Group, json_option, print_answer, progress
from web.context import context

operations = Group("operations")


@operations.command("purge")
@click.option(
    "--days",
    type=click.IntRange(min=1),
    help="Days to keep. The maximum and the default are CARILLON_RETENTION_DAYS.",
)
@json_option
def purge(days: int | None, as_json: bool) -> None:
    """Delete expired data and data past retention. Housekeeping does this every ten minutes."""
    kept = min(days or context().settings.retention_days, context().settings.retention_days)
    deletions = housekeeping.purge(context(), operator(), timedelta(days=kept))
    with progress("deleting", deletions) as bar:
        total = sum(bar)
    print_answer(as_json, {"deleted": total, "days": kept}, f"{total} rows deleted; {kept} days are kept")


COMMANDS = (purge,)
