"""Alerts: raised by a service, heard by a whole tenant, acknowledged by whoever comes first."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from actions import alerts as actions
from actions.principal import Principal
from actions.problems import Problem, invalid, not_found
from carillon.fields import Level
from carillon.requests import Alert
from models.alerts import queries as alerts
from models.sql.engine import read
from web.api.endpoint import Answer, Api
from web.api.fields import PAGE, Deleted, KeyHeader, Limit, Moment, NotificationPath, Page, Query, View, page_of
from web.context import context

api = Api("alerts", "What a whole tenant has to know of, until somebody has acknowledged it.")


class AlertView(View):
    """An alert as `alert:new` brings it, and who has acknowledged it."""

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
    """How many alerts nobody has acknowledged."""

    unacknowledged: int


class AlertsQuery(Query):
    """Which alerts."""

    state: alerts.State | None = None
    level: Level | None = None
    severity: Level | None = Field(None, description="Another name of level.")
    after: str | None = Field(None, description="The next of the last page.")
    limit: Limit = PAGE


class AlertPath(BaseModel):
    """Names an alert."""

    alert: str = Field(description="The id that the answer to raising it named.")

    def uuid(self) -> UUID:
        """The id. What is no id at all names no alert either: 404."""
        return _uuid(self.alert, not_found("alert"))


def _uuid(text: str, problem: Problem) -> UUID:
    try:
        return NotificationPath(notification=text).uuid()
    except Problem:
        raise problem from None


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

    201 means committed, and on its way to everybody in the tenant. The same Idempotency-Key with the same body is
    answered with the same alert, as it is now; with another body, with 422.
    """
    created = actions.raise_alert(context(), caller, body, header.idempotency_key)
    headers = {"Location": f"/v1/alerts/{created.alert.id}"}
    if created.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Answer(_view(created.alert), 201, headers)


@api.declare("GET", "/alerts", auth=["user", "service"], answers={200: AlertPage})
def list_alerts(caller: Principal, query: AlertsQuery) -> AlertPage:
    """List the tenant's alerts, newest first."""
    before = None
    if query.after is not None:
        before = _uuid(query.after, invalid("after", "cursor", "is not the next of a page"))
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
    """Count the alerts that nobody has acknowledged."""
    with read(context().engine) as connection:
        number = alerts.count_unacknowledged(connection, caller.tenant, context().now())
    return AlertCount(unacknowledged=number)


@api.declare("GET", "/alerts/<alert>", auth=["user", "service"], answers={200: AlertView}, problems=[404])
def get_alert(caller: Principal, path: AlertPath) -> AlertView:
    """Look up an alert."""
    with read(context().engine) as connection:
        row = alerts.find(connection, caller.tenant, path.uuid(), context().now())
    if row is None:
        raise not_found("alert")
    return _view(row)


@api.declare("POST", "/alerts/<alert>/acknowledge", auth="user", answers={200: AlertView}, problems=[404])
def acknowledge_alert(caller: Principal, path: AlertPath) -> AlertView:
    """Acknowledge an alert, for everybody.

    Whoever is first is on record; whoever comes later is told who that was.
    """
    return _view(actions.acknowledge_alert(context(), caller, path.uuid()))


@api.declare("DELETE", "/alerts/<alert>", auth="service", answers={200: Deleted}, problems=[404])
def delete_alert(caller: Principal, path: AlertPath) -> Deleted:
    """Take an alert away from everybody. For services: a user who has dealt with an alert acknowledges it."""
    actions.delete_alert(context(), caller, path.uuid())
    return Deleted()
