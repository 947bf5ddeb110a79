"""The output of commands: text for people, --json for programs, one line for an error."""

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

from actions.problems import Problem
from carillon.text import UNPRINTABLE
from models.timestamps import iso
from web.hints import command

Command = TypeVar("Command", bound=Callable[..., Any])


class Operation(click.Command):
    """A command that turns a refusal into one line, and database errors into one line with advice."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Problem as problem:
            raise click.ClickException(visible(problem.detail)) from problem
        except (DBAPIError, PoolTimeout) as error:
            reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise click.ClickException(
                f"the database failed ({visible(reason)}): check DATABASE_URL, "
                f"and run {command('db', 'upgrade')} if you have not"
            ) from error


class Group(AppGroup):
    """A group of operations, which run in the application's context."""

    command_class = Operation


def json_option(function: Command) -> Command:
    """Add the option --json, with the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def print_answer(as_json: bool, answer: Any, text: str) -> None:
    """Print `answer` as JSON, or `text`."""
    # JSON escapes control characters itself.
    click.echo(json.dumps(answer, default=_as_text) if as_json else "\n".join(map(visible, text.split("\n"))))


def visible(text: str) -> str:
    """Return `text` with escapes in place of what a terminal would obey, such as titles and reasons can contain."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def progress(label: str, steps: Iterable[Any] | None = None, length: int | None = None) -> Any:
    """Return a progress bar. It is hidden unless standard error is a terminal."""
    return click.progressbar(steps, length, label=label, show_pos=True, file=sys.stderr, hidden=not sys.stderr.isatty())


def table(rows: list[dict[str, Any]]) -> str:
    """Format rows in columns, with the names of the columns in the first line."""
    if not rows:
        return "none"
    cells = [[*rows[0]], *[[visible(_as_text(value)) for value in row.values()] for row in rows]]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _as_text(value: Any) -> str:
    if isinstance(value, datetime):
        return iso(value)
    return "-" if value is None else str(value)
