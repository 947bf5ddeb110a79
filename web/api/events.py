"""The event log by polling, and acknowledgements by HTTP: the same cursor and the same effect as on the socket."""

from __future__ import annotations

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from actions.acknowledge import acknowledge
from actions.principal import Principal
from actions.problems import invalid
from actions.publish_event import publish_event as publish
from carillon.fields import Strict
from carillon.payload import MAX_NUMBER
from carillon.requests import Event
from models.events.cursor import Cursor
from models.events.log import Event as LogEvent
from models.events.log import Replay, heads, read_after
from models.rooms.names import rooms_of
from models.sql.engine import read
from web.api.endpoint import Answer, Api
from web.api.fields import MAX_PAGE, Limit, Moment, Query, View
from web.context import context
from web.dialects import DialectView, view_of
from web.dialects.canonical import CANONICAL
from web.dialects.render import render

api = Api("events", "What a client hears, for clients without a socket.")

# What clients of the polling kind use by default; a waiting message is found at the next poll.
POLL_INTERVAL_MS = 10_000


class EventView(View):
    """One event, named and filled as on the socket."""

    event: str
    room: str
    seq: int
    created_at: Moment
    payload: dict[str, Any]


class HeadView(View):
    """A position: what stands in the cursor, for clients that hear by socket as well and order by numbers."""

    epoch: str
    positions: dict[str, int]
    cursor: str


class EventPage(HeadView):
    """What was missed, oldest first in each room, and the position after it.

    `complete` false: some of it is gone, fetch the state anew. `more`: ask again at once, with the cursor given here.
    """

    data: list[EventView]
    complete: bool
    more: bool
    poll_interval_ms: int


class EventsQuery(Query):
    """From where on, and by which names."""

    cursor: str | None = Field(None, max_length=4096, description="Where the last answer ended; none to begin now.")
    limit: Limit = MAX_PAGE
    dialect: str = Field(CANONICAL.name, max_length=64, description="Whose names events have, as on the socket.")


class AckBody(Strict):
    """What is on the screen: single notifications, everything up to a number in the user's room, or both."""

    ids: Annotated[list[str] | None, Field(max_length=1000)] = None
    up_to_seq: int | None = Field(None, ge=0, le=MAX_NUMBER)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.ids is None and self.up_to_seq is None:
            raise PydanticCustomError("acknowledgement", "must have ids or up_to_seq")
        return self


class AckView(View):
    """How many deliveries were not acknowledged before."""

    acknowledged: int


def _rooms(caller: Principal) -> list[str]:
    return rooms_of(caller.tenant, caller.id)


@api.declare("GET", "/events", auth="user", answers={200: EventPage})
def poll_events(caller: Principal, query: EventsQuery) -> EventPage:
    """Poll for events after a cursor. Without one nothing is missed yet: the answer holds the cursor to begin with."""
    rooms = _rooms(caller)
    try:
        view = view_of("/", query.dialect)
    except LookupError as error:
        raise invalid("dialect", "dialect", error.args[0]) from error
    with read(context().engine) as connection:
        if query.cursor is None:
            start = heads(connection, caller.tenant, rooms)
            replay = Replay([], start, complete=True, more=False)
        else:
            try:
                cursor = Cursor.decode(query.cursor)
            except ValueError as error:
                raise invalid("cursor", "cursor", "is none of ours: leave it out to begin anew") from error
            replay = read_after(connection, caller.tenant, rooms, cursor, context().now(), query.limit)
    return EventPage(
        data=[told for event in replay.events for told in _told(view, event)],
        **_position(replay.cursor),
        complete=replay.complete,
        more=replay.more,
        poll_interval_ms=POLL_INTERVAL_MS,
    )


def _told(view: DialectView, event: LogEvent) -> list[EventView]:
    return [
        EventView(event=name, room=event.room, seq=event.seq, created_at=event.created_at, payload=payload)
        for name, payload in view.translate(*render(event))
    ]


def _position(cursor: Cursor) -> dict[str, Any]:
    return {"epoch": cursor.epoch, "positions": dict(cursor.positions), "cursor": cursor.encode()}


@api.declare("GET", "/events/head", auth="user", answers={200: HeadView})
def head_of_events(caller: Principal) -> HeadView:
    """Where the log stands. A cursor that differs has missed something."""
    with read(context().engine) as connection:
        head = heads(connection, caller.tenant, _rooms(caller))
    return HeadView(**_position(head))


@api.declare("POST", "/acks", auth="user", answers={200: AckView})
def acknowledge_notifications(caller: Principal, body: AckBody) -> AckView:
    """Acknowledge notifications of one's own. Idempotent; ids of others, or of nothing, change nothing."""
    ids = []
    for number, text in enumerate(body.ids or []):
        try:
            ids.append(UUID(text))
        except ValueError as error:
            raise invalid(f"ids.{number}", "id", "is not the id of a notification") from error
    return AckView(acknowledged=acknowledge(context(), caller, ids=ids, up_to_seq=body.up_to_seq))


class EventsAccepted(View):
    """It is committed. `accepted`: to how many rooms, one for each user, or one for the tenant."""

    accepted: int


@api.declare("POST", "/events", auth="service", answers={202: EventsAccepted})
def publish_event(caller: Principal, body: Event) -> Answer:
    """Publish an event.

    202 means committed: clients that are away receive it when they are back, for as long as its type says. There is no
    Idempotency-Key: a repeated event is one event more, so give it an id of your own by which clients can tell. With a
    test key the event is checked and not published.
    """
    return Answer(EventsAccepted(accepted=publish(context(), caller, body)), 202)
