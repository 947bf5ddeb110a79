"""Events that clients send about their inbox. The user comes from the connection, never from the payload."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from actions.change_inbox import change, change_all, count_inbox
from actions.installation import Installation
from actions.principal import Principal
from carillon.fields import OwnId, TypeName
from carillon.levels import Level
from models.inbox.changes import ARCHIVE, DELETE, READ, SEEN, UNARCHIVE, UNREAD, Operation
from models.inbox.queries import Filter, Status
from web.realtime.limits import MAX_IDS
from web.realtime.payloads import Refused, parse

Handler = Callable[[Principal, Any], dict[str, Any]]


def _several(value: object) -> object:
    """A single id stands for a list of one."""
    return [value] if isinstance(value, str | int) else value


class Named(BaseModel):
    """Some items: one by `id` or `notification_id`, several by `ids` or `notification_ids`.

    The ids are Carillon's, or the service's own. Other fields are ignored: clients send what they know of the item, and
    some the user they believe to be.
    """

    model_config = ConfigDict(extra="ignore", strict=True)

    id: OwnId | None = Field(None, validation_alias=AliasChoices("id", "notification_id", "notificationId"))
    ids: Annotated[list[OwnId], Field(max_length=MAX_IDS), BeforeValidator(_several)] = Field(
        [], validation_alias=AliasChoices("ids", "notification_ids", "notificationIds")
    )


class UpTo(BaseModel):
    """All items, or those up to one."""

    model_config = ConfigDict(extra="forbid")

    up_to: UUID | None = None


class Matching(UpTo):
    """All matching items, or those up to one."""

    category: TypeName | None = None
    type: TypeName | None = None
    level: Level | None = None


class Clearing(Matching):
    """All matching items."""

    status: Status = "all"


def inbox_events(installation: Installation) -> dict[str, Handler]:
    """The handler of each event that clients send about their inbox.

    A handler takes the connection's principal and the payload, and returns the acknowledgement. It raises Refused for
    an invalid payload, and models.sql.engine.UNAVAILABLE.
    """
    some = partial(_change, installation)
    many = partial(_change_all, installation)
    return {
        "notification:seen": partial(_see, installation),
        "notification:read": partial(some, READ),
        "notification:unread": partial(some, UNREAD),
        "notification:archive": partial(some, ARCHIVE),
        "notification:unarchive": partial(some, UNARCHIVE),
        "notification:delete": partial(some, DELETE),
        "notification:read_all": partial(many, READ, Matching),
        "notification:clear": partial(many, DELETE, Clearing),
        "notification:count": partial(_count, installation),
    }


def _change(installation: Installation, operation: Operation, caller: Principal, payload: Any) -> dict[str, Any]:
    named = parse(Named, _unwrapped(payload))
    names = [*([named.id] if named.id is not None else []), *named.ids]
    if not names:
        raise Refused("bad_request", "id or ids is required")
    changed = change(installation, caller, operation, names)
    if changed.counts is not None:
        return {"count": len(changed.ids), "counts": changed.counts.data()}
    if not changed.known:
        return {"ok": False, "error": {"code": "not_found", "message": "there is no such notification"}}
    return {"count": 0, "counts": count_inbox(installation, caller).data()}


def _unwrapped(payload: Any) -> Any:
    """A bare id, or a list of them, as the object that it abbreviates."""
    return {"ids": payload} if isinstance(payload, str | int | list) else payload


def _change_all(
    installation: Installation, operation: Operation, model: type[UpTo], caller: Principal, payload: Any
) -> dict[str, Any]:
    which = Filter(**parse(model, payload).model_dump())
    swept = change_all(installation, caller, operation, which)
    return {"count": swept.count, "more": swept.more, "counts": swept.counts.data()}


def _see(installation: Installation, caller: Principal, payload: Any) -> dict[str, Any]:
    """Mark as seen: the items that are named, all up to one, or all if the payload is empty."""
    if payload is None or payload == {} or (isinstance(payload, dict) and "up_to" in payload):
        return _change_all(installation, SEEN, UpTo, caller, payload)
    return _change(installation, SEEN, caller, payload)


def _count(installation: Installation, caller: Principal, _payload: Any) -> dict[str, Any]:
    return {"counts": count_inbox(installation, caller).data()}
