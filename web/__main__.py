"""The command `carillon`: the same as `flask --app web.app`, but its list of commands needs no application."""

from __future__ import annotations

import os

import click

COMMANDS = {
    "audit": "List who changed what in the administration.",
    "catalogue": "Event types.",
    "db": "The database schema.",
    "dead": "Dead letters: deliveries that failed for good.",
    "doctor": "Check all dependencies, credentials and clocks.",
    "event-types": "A tenant's own event types.",
    "jwks": "Keys that sign tokens.",
    "keys": "API keys of services.",
    "log": "The event log.",
    "notifications": "Notifications, and what became of them.",
    "openapi": "Print the OpenAPI document.",
    "purge": "Delete data past retention now.",
    "recall": "Recall a notification.",
    "send": "Send a notification.",
    "tail": "Print events as they are published.",
    "tenants": "Isolated customers.",
    "token": "Print a new JWT.",
    "topics": "Topics and their members.",
    "users": "Users, and how they can be reached.",
}


class Commands(click.Group):
    """The commands of the application, which is imported when one of them is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Return the names."""
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command. Raises ClickException if the settings are not usable."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name == "jwks":
            # Without the application, which cannot start before the file exists that this command makes.
            from web.cli.jwks import jwks

            return jwks
        # Imported here: it takes seconds, and a list of commands must not.
        from flask.cli import ScriptInfo

        from web.app import create_app

        info = ctx.obj = ScriptInfo(create_app=lambda: create_app())
        return info.load_app().cli.get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list."""
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def carillon() -> None:
    """Operate Carillon. Each command has --help, and those that print data have --json."""


if __name__ == "__main__":
    carillon(prog_name=os.path.basename(os.environ.get("_CARILLON_COMMAND", "carillon")))
