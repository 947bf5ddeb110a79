"""Raise, acknowledge and delete alerts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from actions.installation import Installation
from actions.principal import Principal, require_live
from actions.problems import id_in_use, idempotency_key_reused, not_found
from actions.send import lifetime
from carillon.requests import Alert
from models.alerts import queries as alerts
from models.sql.engine import write

# An alert is shown on every page of the tenant; there is no lab for it.
_CHANGE = "raise or delete alerts"


def raise_alert(
    installation: Installation, caller: Principal, request: Alert, idempotency_key: str | None = None
) -> alerts.Created:
    """Raise an alert, or return the one that has this idempotency key. Raises Problem."""
    require_live(caller, _CHANGE)
    with write(installation.engine) as connection:
        created = raise_in(
            connection, installation, caller, request, installation.now(), idempotency_key=idempotency_key
        )
    # A replay rings too: the first request may have died between its commit and its bell.
    installation.bells.publish()
    return created


def raise_in(
    connection: Connection,
    installation: Installation,
    caller: Principal,
    request: Alert,
    now: datetime,
    *,
    idempotency_key: str | None = None,
    alert_id: UUID | None = None,
) -> alerts.Created:
    """Raise an alert in the caller's transaction; ring for `publish` after the commit. Raises Problem."""
    new = alerts.NewAlert(
        id=alert_id,
        tenant_id=caller.tenant,
        title=request.title,
        message=request.message,
        expires_at=now + lifetime(installation, request),
        body_sha256=request.sha256(),
        data=request.client_data(),
        own_id=str(request.alert_id) if request.alert_id is not None else None,
        level=request.level,
        type=request.type,
        idempotency_key=idempotency_key,
    )
    try:
        created = alerts.create(connection, new, now)
    except alerts.IdInUse as error:
        raise id_in_use() from error
    if not created.same_body:
        raise idempotency_key_reused()
    return created


def acknowledge_alert(installation: Installation, caller: Principal, name: str) -> alerts.Alert:
    """Acknowledge an alert for the whole tenant; the first user to do so is on record. Raises Problem (404).

    `name` is its id, or the service's own id of it.
    """
    with write(installation.engine) as connection:
        alert_id = alerts.find_id(connection, caller.tenant, name)
        alert = (
            alerts.acknowledge(connection, caller.tenant, alert_id, caller.id, installation.now()) if alert_id else None
        )
    if alert is None:
        raise not_found("alert")
    installation.bells.publish()
    return alert


def delete_alert(installation: Installation, caller: Principal, name: str) -> None:
    """Delete an alert for the whole tenant. Deleting it again changes nothing. Raises Problem (404).

    `name` is its id, or the service's own id of it.
    """
    require_live(caller, _CHANGE)
    with write(installation.engine) as connection:
        alert_id = alerts.find_id(connection, caller.tenant, name)
        known = alert_id and alerts.remove(connection, caller.tenant, alert_id, installation.now())
    if not known:
        raise not_found("alert")
    installation.bells.publish()
