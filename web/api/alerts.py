"""Alerts: raised by a service, heard by a whole tenant, acknowledged by whoever comes first."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Row

from models.alerts import queries as alerts
from models.sql.engine import read, write
from web.api.endpoint import Answer, Api
from web.api.fields import (
    PAGE,
    Data,
    Level,
    Limit,
    Moment,
    NotificationPath,
    Page,
    Query,
    Strict,
    Text,
    Title,
    TypeName,
    View,
)
from web.api.notification_status import page_of
from web.api.notifications import KeyHeader
from web.api.submission import SHORTEST, USUAL
from web.api.users import Deleted
from web.auth import Principal
from web.context import context
from web.problems import Problem, invalid, not_found

api = Api("alerts", "What a whole tenant has to know of, until somebody has acknowledged it.")


class AlertBody(Strict):
    """An alert to raise."""

    title: Title
    message: Text
    level: Level = "warning"
    severity: Level | None = Field(None, description="Another name of level.")
    type: TypeName = "alert"
    data: Data = Field({}, description="Whatever the client needs to know. At most 3 KiB, 16 levels.")
    expires_in: int | None = Field(
        None, ge=SHORTEST, description="Seconds; seven days if not given, at most the server's retention."
    )

    @model_validator(mode="after")
    def _one_level(self) -> Self:
        if self.severity is None:
            return self
        if "level" in self.model_fields_set and self.level != self.severity:
            raise PydanticCustomError("severity", "level and severity differ: give one of them")
        self.level, self.severity = self.severity, None
        return self

    def sha256(self) -> str:
        """Equal for requests that mean the same, whatever their spelling and the order of their members."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        plain = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(plain.encode()).hexdigest()


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


def _view(row: Row[Any]) -> AlertView:
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


def _new(caller: Principal, header: KeyHeader, body: AlertBody) -> alerts.NewAlert:
    longest = context().settings.retention_days * 86400
    if body.expires_in is not None and body.expires_in > longest:
        raise invalid("expires_in", "less_than_equal", f"must not exceed {longest}: nothing is kept for longer")
    return alerts.NewAlert(
        tenant_id=caller.tenant,
        title=body.title,
        message=body.message,
        expires_at=context().now() + timedelta(seconds=body.expires_in or min(USUAL, longest)),
        body_sha256=body.sha256(),
        data=body.data,
        level=body.level,
        type=body.type,
        idempotency_key=header.idempotency_key,
    )


def _live_only(caller: Principal) -> None:
    # An alert stands on every screen of the tenant; there is no lab for it.
    if caller.mode == "test":
        raise Problem(403, "forbidden", "a test key can neither raise nor delete alerts: use a live key")


@api.declare(
    "POST",
    "/alerts",
    auth="service",
    answers={201: AlertView},
    headers=["Location", "Idempotent-Replayed"],
)
def raise_alert(caller: Principal, header: KeyHeader, body: AlertBody) -> Answer:
    """Raise an alert.

    201 means committed, and on its way to everybody in the tenant. The same Idempotency-Key with the same body is
    answered with the same alert, as it is now; with another body, with 422.
    """
    _live_only(caller)
    with write(context().engine) as connection:
        created = alerts.create(connection, _new(caller, header, body), context().now())
    if not created.same_body:
        raise Problem(
            422,
            "idempotency_key_reused",
            "this Idempotency-Key was used with another body: send the same body, or another key",
        )
    # A replay rings too: the first request may have died between its commit and its bell.
    context().bells.publish()
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
    with write(context().engine) as connection:
        row = alerts.acknowledge(connection, caller.tenant, path.uuid(), caller.id, context().now())
    if row is None:
        raise not_found("alert")
    context().bells.publish()
    return _view(row)


@api.declare("DELETE", "/alerts/<alert>", auth="service", answers={200: Deleted}, problems=[404])
def delete_alert(caller: Principal, path: AlertPath) -> Deleted:
    """Take an alert away from everybody. For services: a user who has dealt with an alert acknowledges it."""
    _live_only(caller)
    with write(context().engine) as connection:
        known = alerts.remove(connection, caller.tenant, path.uuid(), context().now())
    if not known:
        raise not_found("alert")
    context().bells.publish()
    return Deleted()
