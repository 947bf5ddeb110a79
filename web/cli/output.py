"""How commands speak: text for people, --json for programs, one line for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

import click
from flask.cli import AppGroup
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from models.timestamps import iso

Command = TypeVar("Command", bound=Callable[..., Any])


class Operation(click.Command):
    """A command. The database's errors become one line that says what to do."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (DBAPIError, PoolTimeout) as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise click.ClickException(
                f"the database refused ({reason}): check DATABASE_URL, and that flask db upgrade was run"
            ) from error


class Group(AppGroup):
    """Operations that need the application."""

    command_class = Operation


def json_option(command: Command) -> Command:
    """Give the command --json, as the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")(command)


def say(as_json: bool, answer: Any, text: str) -> None:
    """Print the answer for a program, or the text for a person."""
    click.echo(json.dumps(answer, default=_plain) if as_json else text)


def progress(label: str, steps: Iterable[Any] | None = None, length: int | None = None) -> Any:
    """A bar on a person's terminal; nothing where the errors go to a file."""
    return click.progressbar(steps, length, label=label, show_pos=True, file=sys.stderr, hidden=not sys.stderr.isatty())


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in columns, under their names."""
    if not rows:
        return "none"
    cells = [[*rows[0]], *[[_plain(value) for value in row.values()] for row in rows]]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return iso(value)
    return "-" if value is None else str(value)
