"""What operators type: flask --app web.app <command>. Every command has --json, and fails with one line."""

from __future__ import annotations

from flask import Flask

from web.cli import catalogue, database, dead, doctor, people, send, tail, users


def register(app: Flask) -> None:
    """Add the commands to those of Flask."""
    for module in (database, people, dead, catalogue, doctor, send, tail, users):
        for command in module.COMMANDS:
            app.cli.add_command(command)
