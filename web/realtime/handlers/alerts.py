"""What clients say about the alerts of their tenant on the socket."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from sqlalchemy import Engine

from bus.bells import Bells
from models.alerts import queries as alerts
from models.sql.engine import read, write
from models.timestamps import iso
from web.auth import Principal
from web.realtime.payloads import parse

Handler = Callable[[Principal, Any], dict[str, Any]]


class Named(BaseModel):
    """One alert, by `id` or `alert_id`. Other fields are passed over: clients send what they know of it."""

    model_config = ConfigDict(extra="ignore")

    id: UUID = Field(validation_alias=AliasChoices("id", "alert_id", "alertId"))


def alert_events(engine: Engine, bells: Bells, now: Callable[[], datetime]) -> dict[str, Handler]:
    """What clients may say about alerts: the handler of each event.

    A handler takes the connection's principal and the payload, and returns the acknowledgement; it raises Refused for a
    payload that will not do, and models.sql.engine.UNAVAILABLE.
    """
    return {
        "alert:acknowledge": partial(_acknowledge, engine, bells, now),
        "alert:count": partial(_count, engine, now),
    }


def _acknowledge(
    engine: Engine, bells: Bells, now: Callable[[], datetime], caller: Principal, payload: Any
) -> dict[str, Any]:
    alert_id = parse(Named, {"id": payload} if isinstance(payload, str) else payload).id
    with write(engine) as connection:
        row = alerts.acknowledge(connection, caller.tenant, alert_id, caller.id, now())
    if row is None:
        return {"ok": False, "error": {"code": "not_found", "message": "there is no such alert"}}
    bells.publish()
    return {
        "id": str(row.id),
        "alert_id": str(row.id),
        "acknowledged_by": row.acknowledged_by,
        "acknowledged_at": iso(row.acknowledged_at),
    }


def _count(engine: Engine, now: Callable[[], datetime], caller: Principal, _payload: Any) -> dict[str, Any]:
    with read(engine) as connection:
        return {"unacknowledged": alerts.count_unacknowledged(connection, caller.tenant, now())}
