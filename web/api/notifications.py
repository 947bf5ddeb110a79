"""POST /v1/notifications: committed, then 202. One at a time or a hundred."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection

from models.lanes import Lane
from models.notifications.accept import Accepted, NewNotification, accept
from models.sql.engine import write
from web.api.body import BULK
from web.api.endpoint import Answer, Api
from web.api.fields import IdempotencyKey, Moment, View
from web.api.submission import Bulk, BulkItem, Submission
from web.auth import Principal
from web.context import context
from web.problems import Problem, ProblemDocument, absent, from_validation

api = Api("notifications", "Send, look up and recall.")


class Links(View):
    """Where to look next."""

    self: str
    deliveries: str


class AcceptedView(View):
    """It is committed, and will reach each addressed channel or end in a state that says why."""

    id: str
    status: Literal["accepted"] = "accepted"
    created_at: Moment
    links: Links


class BulkResult(View):
    """What became of one item. `status` is what a request of its own would have been answered with."""

    status: int
    id: str | None = Field(None, exclude_if=absent)
    created_at: Moment | None = Field(None, exclude_if=absent)
    links: Links | None = Field(None, exclude_if=absent)
    replayed: bool | None = Field(None, exclude_if=absent, description="The item's key was known with this content.")
    problem: ProblemDocument | None = Field(None, exclude_if=absent)


class BulkView(View):
    """The results, in the order of the items."""

    data: list[BulkResult]


class KeyHeader(BaseModel):
    """The request may be repeated safely: one key, one notification, within retention."""

    model_config = ConfigDict(extra="ignore")

    idempotency_key: IdempotencyKey | None = Field(None, alias="Idempotency-Key")


def refuse_without_lab(caller: Principal) -> None:
    """A test key's notifications go to the lab and nowhere else. Raises Problem where there is none."""
    if caller.mode == "test" and not context().settings.lab_url:
        detail = "a test key sends to the lab only: set CARILLON_LAB_URL (make lab prints it), or use a live key"
        raise Problem(409, "no_lab", detail)


def _links(notification_id: UUID) -> Links:
    here = f"/v1/notifications/{notification_id}"
    return Links(self=here, deliveries=f"{here}/deliveries")


def _take(connection: Connection, new: NewNotification, now: datetime) -> Accepted:
    accepted = accept(connection, new, now)
    if not accepted.same_body:
        raise Problem(
            422,
            "idempotency_key_reused",
            "this Idempotency-Key was used with another body: send the same body, or another key",
        )
    return accepted


def _committed(taken: Sequence[tuple[NewNotification, Accepted]]) -> None:
    """Count and ring, after the commit. A bell that nobody hears is rung again by the relay."""
    for new, accepted in taken:
        if not accepted.replayed:
            context().metrics.accept(new.priority)
        # A replay rings too: the first request may have died between its commit and its bell.
        context().bells.expand(accepted.id, Lane[new.priority])


def submit(caller: Principal, body: Submission, key: str | None) -> Accepted:
    """Commit the notification, count it and ring. Raises Problem."""
    refuse_without_lab(caller)
    now = context().now()
    new = body.notification(caller, context().settings, now, key)
    with write(context().engine) as connection:
        accepted = _take(connection, new, now)
    _committed([(new, accepted)])
    return accepted


@api.declare(
    "POST",
    "/notifications",
    auth="service",
    answers={202: AcceptedView},
    problems=[409],
    headers=["Location", "Idempotent-Replayed"],
)
def send_notification(caller: Principal, header: KeyHeader, body: Submission) -> Answer:
    """Send a notification.

    202 means committed: it survives any crash from here on. The same Idempotency-Key with the same body is answered
    with the same id; with another body, with 422.
    """
    accepted = submit(caller, body, header.idempotency_key)
    view = AcceptedView(id=str(accepted.id), created_at=accepted.created_at, links=_links(accepted.id))
    headers = {"Location": view.links.self}
    if accepted.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Answer(view, 202, headers)


@api.declare(
    "POST",
    "/notifications/bulk",
    auth="service",
    answers={202: BulkView},
    problems=[409],
    max_bytes=BULK,
)
def send_notifications(caller: Principal, header: KeyHeader, body: Bulk) -> Answer:
    """Send up to 100 notifications, each accepted or refused on its own.

    Those that are accepted are committed together. An item without an idempotency_key of its own has the header's,
    followed by # and its position from 0.
    """
    refuse_without_lab(caller)
    now = context().now()
    read = [_read_item(caller, header.idempotency_key, now, n, item) for n, item in enumerate(body.items)]
    results: list[BulkResult] = []
    taken: list[tuple[NewNotification, Accepted]] = []
    with write(context().engine) as connection:
        for new in read:
            try:
                if isinstance(new, Problem):
                    raise new
                accepted = _take(connection, new, now)
            except Problem as problem:
                results.append(BulkResult(status=problem.status, problem=problem.document()))
                continue
            taken.append((new, accepted))
            results.append(_result(accepted))
    _committed(taken)
    return Answer(BulkView(data=results), 202)


def _read_item(caller: Principal, key: str | None, now: datetime, number: int, item: Any) -> NewNotification | Problem:
    try:
        one = BulkItem.model_validate(item)
        own_key = one.idempotency_key or (f"{key}#{number}" if key is not None else None)
        return one.notification(caller, context().settings, now, own_key)
    except ValidationError as error:
        return from_validation(error)
    except Problem as problem:
        return problem


def _result(accepted: Accepted) -> BulkResult:
    return BulkResult(
        status=202,
        id=str(accepted.id),
        created_at=accepted.created_at,
        links=_links(accepted.id),
        replayed=accepted.replayed or None,
    )
