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
from models.events.cursor import MAX_IN_URL, Cursor
from models.events.log import Event as LogEvent
from models.events.log import Replay, heads, read_after
from models.sql.engine import read
from web.api.endpoint import Answer, Api
from web.api.fields import MAX_PAGE, Limit, Moment, Query, View
from web.context import context
from web.dialects import DialectView, view_of
from web.dialects.canonical import CANONICAL
from web.dialects.render import render

api = Api("events", "The events of the socket, for clients without one.")

# The default interval of polling clients.
POLL_INTERVAL_MS = 10_000


class EventView(View):
    """One event, with the name and payload that it has on the socket."""

    event: str
    room: str
    seq: int
    created_at: Moment
    payload: dict[str, Any]


class HeadView(View):
    """The decoded cursor, for clients that also use the socket and order events by their numbers."""

    epoch: str
    positions: dict[str, int]
    cursor: str


class EventPage(HeadView):
    """The missed events, oldest first in each room, and the position after them.

    `complete` false: some events are gone, so fetch the state again. `more`: poll again at once, with this cursor.
    """

    data: list[EventView]
    complete: bool
    more: bool
    poll_interval_ms: int


class EventsQuery(Query):
    """The position to poll from, and the dialect of the answer."""

    cursor: str | None = Field(
        None, max_length=MAX_IN_URL, description="The `cursor` of the last answer. Leave it out to begin now."
    )
    limit: Limit = MAX_PAGE
    dialect: str = Field(
        CANONICAL.name, max_length=64, description="The dialect that names the events, as on the socket."
    )


class AckBody(Strict):
    """What was shown: single notifications, all up to a number in the user's room, or both."""

    ids: Annotated[list[str] | None, Field(max_length=1000)] = None
    up_to_seq: int | None = Field(None, ge=0, le=MAX_NUMBER)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.ids is None and self.up_to_seq is None:
            raise PydanticCustomError("acknowledgement", "must have ids or up_to_seq")
        return self


class AckView(View):
    """The number of deliveries that were not acknowledged before."""

    acknowledged: int


@api.declare("GET", "/events", auth="user", answers={200: EventPage})
def poll_events(caller: Principal, query: EventsQuery) -> EventPage:
    """Poll for events after a cursor. Without a cursor, the answer has no events and the cursor to begin with."""
    try:
        view = view_of("/", query.dialect)
    except LookupError as error:
        raise invalid("dialect", "dialect", error.args[0]) from error
    with read(context().engine) as connection:
        if query.cursor is None:
            start = heads(connection, caller.tenant, caller.id)
            replay = Replay([], start, complete=True, more=False)
        else:
            try:
                cursor = Cursor.decode(query.cursor)
            except ValueError as error:
                raise invalid(
                    "cursor", "cursor", "is not a cursor of this server: leave it out to begin now"
                ) from error
            replay = read_after(connection, caller.tenant, caller.id, cursor, context().now(), query.limit)
    return EventPage(
        data=[named for event in replay.events for named in _translated(view, event)],
        **_position(replay.cursor),
        complete=replay.complete,
        more=replay.more,
        poll_interval_ms=POLL_INTERVAL_MS,
    )


def _translated(view: DialectView, event: LogEvent) -> list[EventView]:
    return [
        EventView(event=name, room=event.room, seq=event.seq, created_at=event.created_at, payload=payload)
        for name, payload in view.translate(*render(event))
    ]


def _position(cursor: Cursor) -> dict[str, Any]:
    return {"epoch": cursor.epoch, "positions": dict(cursor.positions), "cursor": cursor.encode()}


@api.declare("GET", "/events/head", auth="user", answers={200: HeadView})
def head_of_events(caller: Principal) -> HeadView:
    """The head of the log. Events after a client's cursor have been missed."""
    with read(context().engine) as connection:
        head = heads(connection, caller.tenant, caller.id)
    return HeadView(**_position(head))


@api.declare("POST", "/acks", auth="user", answers={200: AckView})
def acknowledge_notifications(caller: Principal, body: AckBody) -> AckView:
    """Acknowledge the user's own notifications. Idempotent; other ids are ignored."""
    ids = []
    for number, text in enumerate(body.ids or []):
        try:
            ids.append(str(UUID(text)))
        except ValueError as error:
            raise invalid(f"ids.{number}", "id", "is not the id of a notification") from error
    return AckView(acknowledged=acknowledge(context(), caller, names=ids, up_to_seq=body.up_to_seq))


class EventsAccepted(View):
    """The event is committed. `accepted` is the number of rooms: one for each user, or one for the tenant."""

    accepted: int


@api.declare("POST", "/events", auth="service", answers={202: EventsAccepted}, problems=[409])
def publish_event(caller: Principal, body: Event) -> Answer:
    """Publish an event.

    202 means committed: clients that are away receive it when they are back, for as long as its type says. There is no
    Idempotency-Key: a repeated event is one event more, so give it an id of your own by which clients can tell. With a
    test key the event is checked and not published.
    """
    return Answer(EventsAccepted(accepted=publish(context(), caller, body)), 202)
