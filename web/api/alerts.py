"""Alerts: raised by a service, sent to a whole tenant, acknowledged by one of its users."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from actions import alerts as actions
from actions.principal import Principal
from actions.problems import not_found
from carillon.levels import Level
from carillon.requests import Alert
from models.alerts import queries as alerts
from models.sql.engine import read
from web.api.endpoint import Answer, Api
from web.api.fields import PAGE, Deleted, KeyHeader, Limit, Moment, Page, Query, View, after_id, page_of
from web.context import context

api = Api("alerts", "Messages to all users of a tenant that stay until one of them acknowledges them.")


class AlertView(View):
    """An alert, with the members of `alert:new` and who has acknowledged it."""

    id: str
    alert_id: str
    title: str
    message: str
    level: Level
    severity: Level
    type: str
    data: dict[str, Any]
    created_at: Moment
    expires_at: Moment
    state: alerts.State
    acknowledged: bool
    acknowledged_by: str | None
    acknowledged_at: Moment | None


class AlertPage(View):
    """Alerts, newest first."""

    data: list[AlertView]
    page: Page


class AlertCount(View):
    """The number of alerts that are not acknowledged."""

    unacknowledged: int


class AlertsQuery(Query):
    """Which alerts."""

    state: alerts.State | None = None
    level: Level | None = None
    severity: Level | None = Field(None, description="An alias of `level`.")
    after: str | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


class AlertPath(BaseModel):
    """Names an alert."""

    alert: str = Field(
        description="The `id` in the answer to `POST /v1/alerts`, or the `alert_id` that the service gave it."
    )


def _view(row: alerts.Alert) -> AlertView:
    named = ("title", "message", "level", "type", "data", "created_at", "expires_at")
    acknowledged = row.acknowledged_at is not None
    state: Literal["new", "acknowledged"] = "acknowledged" if acknowledged else "new"
    return AlertView(
        id=str(row.id),
        alert_id=str(row.id),
        severity=row.level,
        state=state,
        acknowledged=acknowledged,
        acknowledged_by=row.acknowledged_by,
        acknowledged_at=row.acknowledged_at,
        **{name: getattr(row, name) for name in named},
    )


@api.declare(
    "POST",
    "/alerts",
    auth="service",
    answers={201: AlertView},
    headers=["Location", "Idempotent-Replayed"],
)
def raise_alert(caller: Principal, header: KeyHeader, body: Alert) -> Answer:
    """Raise an alert.

    201 means that it is committed and will be sent to all users of the tenant. A repeated request with the same
    Idempotency-Key returns the same alert, as it is now. With another body it is refused with 422.
    """
    created = actions.raise_alert(context(), caller, body, header.idempotency_key)
    headers = {"Location": f"/v1/alerts/{created.alert.id}"}
    if created.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Answer(_view(created.alert), 201, headers)


@api.declare("GET", "/alerts", auth=["user", "service"], answers={200: AlertPage})
def list_alerts(caller: Principal, query: AlertsQuery) -> AlertPage:
    """List the tenant's alerts, newest first."""
    before = after_id(query.after)
    with read(context().engine) as connection:
        found = alerts.list_alerts(
            connection,
            caller.tenant,
            context().now(),
            state=query.state,
            level=query.level or query.severity,
            before=before,
            limit=query.limit + 1,
        )
    shown, page = page_of(found, query.limit)
    return AlertPage(data=[_view(row) for row in shown], page=page)


@api.declare("GET", "/alerts/count", auth=["user", "service"], answers={200: AlertCount})
def count_alerts(caller: Principal) -> AlertCount:
    """Count the alerts that are not acknowledged."""
    with read(context().engine) as connection:
        number = alerts.count_unacknowledged(connection, caller.tenant, context().now())
    return AlertCount(unacknowledged=number)


@api.declare("GET", "/alerts/<alert>", auth=["user", "service"], answers={200: AlertView}, problems=[404])
def get_alert(caller: Principal, path: AlertPath) -> AlertView:
    """Look up an alert."""
    with read(context().engine) as connection:
        alert_id = alerts.find_id(connection, caller.tenant, path.alert)
        row = alerts.find(connection, caller.tenant, alert_id, context().now()) if alert_id else None
    if row is None:
        raise not_found("alert")
    return _view(row)


@api.declare("POST", "/alerts/<alert>/acknowledge", auth="user", answers={200: AlertView}, problems=[404])
def acknowledge_alert(caller: Principal, path: AlertPath) -> AlertView:
    """Acknowledge an alert, for all users of the tenant.

    The first user to acknowledge it is recorded. Later requests return that user.
    """
    return _view(actions.acknowledge_alert(context(), caller, path.alert))


@api.declare("DELETE", "/alerts/<alert>", auth="service", answers={200: Deleted}, problems=[404])
def delete_alert(caller: Principal, path: AlertPath) -> Deleted:
    """Withdraw an alert from all users. For services; users acknowledge an alert instead."""
    actions.delete_alert(context(), caller, path.alert)
    return Deleted()
