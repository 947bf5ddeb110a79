"""Events by which clients join rooms. The server has put them there already, by their token: it only confirms."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from web.realtime.gateway.sessions import Session
from web.realtime.payloads import Refused, parse


class Room(BaseModel):
    """`room:join`, `room:leave`: a room by its canonical name, such as tenant:acme."""

    model_config = ConfigDict(extra="forbid")

    room: Annotated[StrictStr, Field(max_length=200)]


def join(session: Session, payload: Any) -> dict[str, Any]:
    """Confirm that the connection is in the room, and how far it has come there. Idempotent; raises Refused."""
    room = _own(session, payload)
    return {"room": room, "seq": session.progress.positions[room]}


def leave(session: Session, payload: Any) -> dict[str, Any]:
    """Take notice that a page has closed a room. The connection stays in it: other parts of the page may listen."""
    return {"room": _own(session, payload)}


def _own(session: Session, payload: Any) -> str:
    room = parse(Room, payload).room
    if room not in session.rooms:
        # Whether it exists for others is not told.
        raise Refused("not_found", "there is no such room")
    return room
