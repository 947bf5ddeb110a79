"""carillon tail: the events that open pages receive, live."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import click

from bus.envelope import groups_in, opened
from bus.redis import UNAVAILABLE, connect
from bus.signature import Signature, secret_of
from models.rooms.names import user_room
from models.timestamps import iso
from web.cli.output import Group, json_option, visible
from web.context import context

operations = Group("operations")

# A terminal's line; --json gives all of it.
WIDTH = 200
_SHOWN = 3
_COLOURS = {"error": "red", "critical": "red", "warning": "yellow", "success": "green"}


@operations.command("tail")
@click.option("--tenant", help="Of this tenant only.")
@click.option("--user", help="In this user's room only.")
@click.option("--event", "pattern", default="*", help="By name, such as notification:* .")
@click.option("--seconds", type=click.FloatRange(min=0), help="Stop after this many seconds.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after this many events.")
@json_option
def tail(
    tenant: str | None, user: str | None, pattern: str, seconds: float | None, count: int | None, as_json: bool
) -> None:
    """Print events as they are published, with what they say, until Ctrl-C. Shows what only its readers should see."""
    end = None if seconds is None else time.monotonic() + seconds
    shown = 0
    try:
        for event, payload, rooms in _groups(end):
            found = [(room, seq) for room, seq in rooms if _wanted(room, tenant, user)]
            if not found or not fnmatchcase(event, pattern):
                continue
            click.echo(_as_json(event, payload, found) if as_json else _line(event, payload, found))
            shown += 1
            if count is not None and shown >= count:
                return
    except UNAVAILABLE as error:
        raise click.ClickException(f"redis went away ({type(error).__name__}): check REDIS_URL") from error


def _groups(end: float | None) -> Iterator[tuple[str, dict[str, Any], list[tuple[str, int]]]]:
    settings = context().settings
    signature = Signature(secret_of(settings), settings.bus_topic)
    with (
        connect(settings.redis_url) as client,
        client.pubsub(ignore_subscribe_messages=True) as ear,
    ):
        ear.subscribe(settings.bus_topic)
        while end is None or time.monotonic() < end:
            message = ear.get_message(timeout=0.5)
            if message is None:
                continue
            # The Socket.IO servers send each other messages of their own on this topic, and others may not be ours.
            found = opened(message["data"], signature)
            for group in groups_in(found or {}) or ():
                yield group["event"], group["payload"], [(room, seq) for room, seq in group["rooms"]]


def _wanted(room: str, tenant: str | None, user: str | None) -> bool:
    its_tenant, _, name = room.partition("/")
    return (tenant is None or its_tenant == tenant) and (user is None or name == user_room(user))


def _as_json(event: str, payload: dict[str, Any], rooms: list[tuple[str, int]]) -> str:
    places = [{"room": room, "seq": seq} for room, seq in rooms]
    return json.dumps({"at": iso(datetime.now(UTC)), "event": event, "rooms": places, "payload": payload})


def _line(event: str, payload: dict[str, Any], rooms: list[tuple[str, int]]) -> str:
    # Control characters of a message must not reach the terminal: JSON has them escaped.
    where = ", ".join(f"{room}#{seq}" for room, seq in rooms[:_SHOWN])
    more = f" and {len(rooms) - _SHOWN} more" if len(rooms) > _SHOWN else ""
    colour = _COLOURS.get(str(payload.get("level")), "cyan")
    moment = click.style(f"{datetime.now().astimezone():%H:%M:%S}", dim=True)
    head = f"{moment} {click.style(visible(event), fg=colour, bold=True)} {json.dumps(where)[1:-1]}{more}"
    return f"{head}  {json.dumps(payload)[:WIDTH]}"


COMMANDS = (tail,)
