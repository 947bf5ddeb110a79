"""Events that clients send about the alerts of their tenant. The user is that of the connection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from actions.alerts import acknowledge_alert
from actions.installation import Installation
from actions.principal import Principal
from actions.problems import Problem
from carillon.fields import OwnId
from models.alerts import queries as alerts
from models.sql.engine import read
from models.timestamps import iso
from web.realtime.payloads import parse

Handler = Callable[[Principal, Any], dict[str, Any]]


class Named(BaseModel):
    """One alert, by `id` or `alert_id`: Carillon's id, or the service's own.

    Other fields are ignored: clients send what they know of it.
    """

    model_config = ConfigDict(extra="ignore", strict=True)

    id: OwnId = Field(validation_alias=AliasChoices("id", "alert_id", "alertId"))


def alert_events(installation: Installation) -> dict[str, Handler]:
    """The handler of each event.

    A handler takes the connection's principal and the payload, and returns the acknowledgement. It raises Refused for
    an invalid payload, and models.sql.engine.UNAVAILABLE.
    """
    return {
        "alert:acknowledge": partial(_acknowledge, installation),
        "alert:count": partial(_count, installation),
    }


def _acknowledge(installation: Installation, caller: Principal, payload: Any) -> dict[str, Any]:
    named = parse(Named, {"id": payload} if isinstance(payload, str | int) else payload).id
    try:
        alert = acknowledge_alert(installation, caller, str(named))
    except Problem as problem:
        return {"ok": False, "error": {"code": problem.code, "message": problem.detail}}
    return {
        "id": str(alert.id),
        "alert_id": str(alert.id),
        "acknowledged_by": alert.acknowledged_by,
        "acknowledged_at": iso(alert.acknowledged_at) if alert.acknowledged_at else None,
    }


def _count(installation: Installation, caller: Principal, _payload: Any) -> dict[str, Any]:
    with read(installation.engine) as connection:
        return {"unacknowledged": alerts.count_unacknowledged(connection, caller.tenant, installation.now())}
