"""The operator commands: `flask <command>`. All but `catalogue typescript` have --json. Errors are one line."""

from __future__ import annotations

from flask import Flask

from web.cli import api_keys, catalogue, database, dead, doctor, jwks, purge, send, tail, tenants, tokens, users


def register(app: Flask) -> None:
    """Register the commands with Flask's command line."""
    for module in (database, tenants, api_keys, tokens, jwks, dead, catalogue, doctor, send, purge, tail, users):
        for command in module.COMMANDS:
            app.cli.add_command(command)
