"""What operators type: flask --app web.app <command>. Every command has --json, and fails with one line."""

from __future__ import annotations

from flask import Flask

from web.cli import catalogue, database, dead, people


def register(app: Flask) -> None:
    """Add the commands to those of Flask."""
    for command in (*database.COMMANDS, *people.COMMANDS, *dead.COMMANDS, *catalogue.COMMANDS):
        app.cli.add_command(command)
