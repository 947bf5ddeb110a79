"""POST /v1/events: publish an event of the catalogue to users or to the whole tenant."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.events.emit import BadPayload, NotEmitted, check, emit, emit_to_users
from models.sql.engine import write
from web.api.endpoint import Answer
from web.api.events import api as api
from web.api.fields import Key, Strict, TypeName, UserId, View
from web.auth import Principal
from web.context import context
from web.problems import FieldError, Problem

# What a problem of the catalogue is a problem of.
_FIELDS = {
    "unknown_event_type": "type",
    "reserved_event_type": "type",
    "wrong_audience": "audience",
    "no_window": "key",
    "payload": "data",
}


class EventAudience(Strict):
    """Who is to hear it: exactly one of users and tenant."""

    users: Annotated[list[UserId] | None, Field(min_length=1, max_length=1000)] = None
    tenant: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.users is None) == (self.tenant is None):
            raise PydanticCustomError("audience", "must have exactly one of users and tenant")
        return self


class EventBody(Strict):
    """An event as its type in the catalogue has it."""

    audience: EventAudience
    type: TypeName
    data: dict[str, Any] = Field(
        description="As the type's schema has it; at most 8 KiB, 16 levels. An id and created_at are added if absent."
    )
    key: Key | None = Field(
        None,
        description="What events that replace one another within the type's window have in common; in place of the "
        "paths that the type names.",
    )


class EventsAccepted(View):
    """It is committed. `accepted`: to so many rooms, one for each user, or one for the tenant."""

    accepted: int


@api.declare("POST", "/events", auth="service", answers={202: EventsAccepted})
def publish_event(caller: Principal, body: EventBody) -> Answer:
    """Publish an event.

    202 means committed: clients that are away hear it when they are back, as long as its type says. There is no
    Idempotency-Key: an event repeated is an event more, so give it an id of your own by which clients can tell.
    With a test key the event is checked and nobody hears it.
    """
    users, now = body.audience.users, context().now()
    kind = "tenant" if users is None else "user"
    said = (body.type, body.data, now, context().catalogue, body.key)
    with write(context().engine) as connection:
        try:
            if caller.mode == "test":
                check(connection, caller.tenant, kind, *said)
                accepted = 0
            elif users is None:
                emit(connection, caller.tenant, f"tenant:{caller.tenant}", *said)
                accepted = 1
            else:
                accepted = emit_to_users(connection, caller.tenant, users, *said)
        except NotEmitted as refused:
            raise _problem(refused) from refused
    if accepted:
        context().bells.publish()
    return Answer(EventsAccepted(accepted=accepted), 202)


def _problem(refused: NotEmitted) -> Problem:
    field = _FIELDS[refused.code]
    faults = refused.faults if isinstance(refused, BadPayload) else [("", str(refused))]
    errors = [
        FieldError(field=f"{field}.{where}" if where else field, code=refused.code, message=what)
        for where, what in faults
    ]
    code = "validation" if isinstance(refused, BadPayload) else refused.code
    return Problem(422, code, str(refused), errors=errors)
