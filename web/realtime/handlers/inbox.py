"""What clients say about their inbox on the socket. Whose it is comes from the connection, never from the payload."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field
from sqlalchemy import Engine

from bus.bells import Bells
from models.inbox.changes import ARCHIVE, DELETE, READ, SEEN, UNARCHIVE, UNREAD, Operation
from models.inbox.queries import Filter, Status, were_theirs
from models.sql.engine import read
from web import inbox
from web.api.fields import Level, TypeName
from web.auth import Principal
from web.realtime.limits import MAX_IDS
from web.realtime.payloads import Refused, parse

Handler = Callable[[Principal, Any], dict[str, Any]]


def _several(value: object) -> object:
    """One id where several may stand is one of them."""
    return [value] if isinstance(value, str) else value


class Named(BaseModel):
    """Some items: one by `id` or `notification_id`, several by `ids` or `notification_ids`.

    Other fields are passed over: clients send what they know of the item, and some who they think they are.
    """

    model_config = ConfigDict(extra="ignore")

    id: UUID | None = Field(None, validation_alias=AliasChoices("id", "notification_id", "notificationId"))
    ids: Annotated[list[UUID], Field(max_length=MAX_IDS), BeforeValidator(_several)] = Field(
        [], validation_alias=AliasChoices("ids", "notification_ids", "notificationIds")
    )


class UpTo(BaseModel):
    """All items, or those up to one."""

    model_config = ConfigDict(extra="forbid")

    up_to: UUID | None = None


class Matching(UpTo):
    """All items that fit, or those of them up to one."""

    category: TypeName | None = None
    type: TypeName | None = None
    level: Level | None = None


class Clearing(Matching):
    """All items that fit."""

    status: Status = "all"


def inbox_events(engine: Engine, bells: Bells, now: Callable[[], datetime]) -> dict[str, Handler]:
    """What clients may say about their inbox: the handler of each event.

    A handler takes the connection's principal and the payload, and returns the acknowledgement; it raises Refused for a
    payload that will not do, and models.sql.engine.UNAVAILABLE.
    """
    some = partial(_change, engine, bells, now)
    many = partial(_change_all, engine, bells, now)
    return {
        "notification:seen": partial(_see, engine, bells, now),
        "notification:read": partial(some, READ),
        "notification:unread": partial(some, UNREAD),
        "notification:archive": partial(some, ARCHIVE),
        "notification:unarchive": partial(some, UNARCHIVE),
        "notification:delete": partial(some, DELETE),
        "notification:read_all": partial(many, READ, Matching),
        "notification:clear": partial(many, DELETE, Clearing),
        "notification:count": partial(_count, engine, now),
    }


def _change(
    engine: Engine, bells: Bells, now: Callable[[], datetime], operation: Operation, caller: Principal, payload: Any
) -> dict[str, Any]:
    named = parse(Named, _unwrapped(payload))
    ids = list(dict.fromkeys([*([named.id] if named.id else []), *named.ids]))
    if not ids:
        raise Refused("bad_request", "id or ids is required")
    changed = inbox.change(engine, bells, caller, operation, ids, now())
    if changed.counts is not None:
        return {"count": len(changed.ids), "counts": changed.counts.data()}
    with read(engine) as connection:
        if not were_theirs(connection, caller.tenant, caller.id, ids):
            return {"ok": False, "error": {"code": "not_found", "message": "there is no such notification"}}
    return {"count": 0, "counts": inbox.count_of(engine, caller, now()).data()}


def _unwrapped(payload: Any) -> Any:
    """An id, or a list of them, as the object that stands for it."""
    return {"ids": payload} if isinstance(payload, str | list) else payload


def _change_all(
    engine: Engine,
    bells: Bells,
    now: Callable[[], datetime],
    operation: Operation,
    model: type[Matching | UpTo],
    caller: Principal,
    payload: Any,
) -> dict[str, Any]:
    which = Filter(**parse(model, payload).model_dump())
    swept = inbox.change_all(engine, bells, caller, operation, which, now())
    return {"count": swept.count, "more": swept.more, "counts": swept.counts.data()}


def _see(engine: Engine, bells: Bells, now: Callable[[], datetime], caller: Principal, payload: Any) -> dict[str, Any]:
    """These, or all up to one; all where nothing is said."""
    if payload is None or payload == {} or (isinstance(payload, dict) and "up_to" in payload):
        return _change_all(engine, bells, now, SEEN, UpTo, caller, payload)
    return _change(engine, bells, now, SEEN, caller, payload)


def _count(engine: Engine, now: Callable[[], datetime], caller: Principal, _payload: Any) -> dict[str, Any]:
    return {"counts": inbox.count_of(engine, caller, now()).data()}
