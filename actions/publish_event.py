"""Publish events of the catalogue to users, or to a whole tenant."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from actions.installation import Installation
from actions.principal import Principal
from actions.problems import Problem
from carillon.problems import FieldError
from carillon.requests import Event
from models.events.emit import BadPayload, NotEmitted, NoWindow, UnknownType, WrongRoom, check, emit, emit_to_users
from models.rooms.names import tenant_room
from models.sql.engine import write
from models.tenants.quotas import Quota


def publish_event(installation: Installation, caller: Principal, request: Event) -> int:
    """Publish one event. Returns to how many rooms; 0 for a test key, whose event is only checked. Raises Problem."""
    with write(installation.engine) as connection:
        rooms = publish_in(connection, installation, caller, request, installation.now())
        installation.quotas.spend(caller.tenant, Quota.RECIPIENTS, rooms, connection)
    if rooms:
        installation.bells.publish()
    return rooms


def publish_in(
    connection: Connection,
    installation: Installation,
    caller: Principal,
    request: Event,
    now: datetime,
    *,
    event_id: UUID | None = None,
) -> int:
    """Publish in the caller's transaction; ring for `publish` after the commit. Raises Problem.

    `event_id` becomes the id of an event whose data has none.
    """
    users = request.audience.users
    data = request.data if event_id is None else {"id": str(event_id), **request.data}
    said = (request.type, data, now, installation.catalogue, request.key)
    try:
        if caller.mode == "test":
            check(connection, caller.tenant, "tenant" if users is None else "user", *said)
            return 0
        if users is None:
            emit(connection, caller.tenant, tenant_room(caller.tenant), *said)
            return 1
        installation.quotas.require_users(connection, caller.tenant, users)
        return emit_to_users(connection, caller.tenant, users, *said)
    except NotEmitted as refused:
        raise _problem(refused) from refused


def publish_to_self(installation: Installation, caller: Principal, type_: str, data: dict[str, object]) -> None:
    """Publish an event that a client caused to that user's own pages. Raises Problem."""
    try:
        with write(installation.engine) as connection:
            emit_to_users(
                connection, caller.tenant, [caller.id], type_, data, installation.now(), installation.catalogue
            )
            installation.quotas.spend(caller.tenant, Quota.RECIPIENTS, 1, connection)
    except NotEmitted as refused:
        raise _problem(refused) from refused
    installation.bells.publish()


# The member of the request that each refusal is about.
_FIELDS = {BadPayload: "data", WrongRoom: "audience", NoWindow: "key"}


def _problem(refused: NotEmitted) -> Problem:
    field = _FIELDS.get(type(refused), "type")
    if isinstance(refused, BadPayload):
        errors = [
            FieldError(field=f"{field}.{where}" if where else field, code=refused.code, message=what)
            for where, what in refused.faults
        ]
        return Problem(422, "validation", str(refused), errors=errors)
    detail = str(refused)
    if isinstance(refused, UnknownType):
        detail += ": declare it with PUT /v1/event-types/{name}, or in the file that CARILLON_CATALOGUE_FILE names"
    return Problem(422, refused.code, detail, errors=[FieldError(field=field, code=refused.code, message=detail)])
