"""carillon db: the database schema. carillon log: the epoch of the event log."""

from __future__ import annotations

from pathlib import Path

import click
from alembic import command
from alembic.util import CommandError

from actions.housekeeping import begin_epoch
from web import hints
from web.cli.caller import operator
from web.cli.output import Group, json_option, print_answer
from web.context import context
from web.health import alembic_config, schema_of

db = Group("db", help="The database schema.")
log_group = Group("log", help="The event log.")
COMMANDS = (db, log_group)


@db.command("upgrade")
@json_option
def upgrade(as_json: bool) -> None:
    """Upgrade the database to the schema that this code needs. Does nothing if it is up to date."""
    config = alembic_config()
    file = context().engine.url.database
    if context().engine.dialect.name == "sqlite" and file:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    with context().engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise click.ClickException(f"{error}: is the database newer than this checkout?") from error
    present = schema_of(context().engine).present
    print_answer(as_json, {"schema": present}, f"schema {present}")


@db.command("check")
@json_option
def check(as_json: bool) -> None:
    """Check that the database has the schema that this code needs. Exit status 1 if not."""
    schema = schema_of(context().engine)
    if not schema.fits:
        hint = hints.command("db", "upgrade")
        found = f"schema {schema.present}" if schema.present else "no schema"
        raise click.ClickException(f"the database has {found}, this code needs {schema.needed}: run {hint}")
    newer = schema.present != schema.needed
    note = f", newer than {schema.needed} and compatible" if newer else ", as needed"
    print_answer(as_json, {"schema": schema.present}, f"schema {schema.present}{note}")


@log_group.command("new-epoch")
@json_option
def new_epoch(as_json: bool) -> None:
    """Start a new epoch of the event log, after restoring a backup. Every client then reloads its state."""
    epoch = begin_epoch(context(), operator())
    print_answer(as_json, {"epoch": epoch}, f"epoch {epoch}: every client will reload its state")
