"""The operator commands: `carillon <command>`, or `flask --app web.app <command>`.

All but `catalogue typescript` have --json. Errors are one line.
"""

from __future__ import annotations

from flask import Flask

from web.cli import (
    api_keys,
    audit,
    catalogue,
    database,
    dead,
    doctor,
    event_types,
    jwks,
    notifications,
    purge,
    send,
    tail,
    tenants,
    tokens,
    topics,
    users,
)

_ADMINISTRATION = (database, tenants, api_keys, tokens, jwks, users, topics, catalogue, event_types, audit)
_OPERATION = (doctor, send, notifications, dead, purge, tail)


def register(app: Flask) -> None:
    """Register the commands with Flask's command line."""
    for module in (*_ADMINISTRATION, *_OPERATION):
        for command in module.COMMANDS:
            app.cli.add_command(command)
