"""Events by which clients join rooms. A connection is in all rooms of its user already, so this only confirms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from web.realtime.gateway.sessions import Session
from web.realtime.payloads import Refused, parse


class Room(BaseModel):
    """`room:join`, `room:leave`: a room by its canonical name, such as tenant:acme."""

    model_config = ConfigDict(extra="forbid")

    room: Annotated[StrictStr, Field(max_length=200)]


def join(
    session: Session, payload: Any, check: Callable[[Session, str], None] = lambda _session, _room: None
) -> dict[str, Any]:
    """Confirm that the connection is in the room, and return its position there. Idempotent; raises Refused.

    `check` is called with the conversation first. It corrects which rooms the connection is in.
    """
    named = parse(Room, payload).room
    if named.startswith("conversation:"):
        check(session, named)
    room = _own(session, payload)
    return {"room": room, "seq": session.progress.positions[room]}


def leave(session: Session, payload: Any) -> dict[str, Any]:
    """Confirm that a page has closed a room. The connection stays in it: other parts of the page may use it."""
    return {"room": _own(session, payload)}


def _own(session: Session, payload: Any) -> str:
    room = parse(Room, payload).room
    if room not in session.rooms:
        # The answer does not say whether the room exists for others.
        raise Refused("not_found", "there is no such room")
    return room
