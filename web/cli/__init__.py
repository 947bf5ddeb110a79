"""What operators type: flask --app web.app <command>. Every command has --json, and fails with one line."""

from __future__ import annotations

from flask import Flask

from web.cli import api_keys, catalogue, database, dead, doctor, jwks, purge, send, tail, tenants, tokens, users


def register(app: Flask) -> None:
    """Add the commands to those of Flask."""
    for module in (database, tenants, api_keys, tokens, jwks, dead, catalogue, doctor, send, purge, tail, users):
        for command in module.COMMANDS:
            app.cli.add_command(command)
