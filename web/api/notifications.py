"""Notifications: send, look up, search and recall."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection

from actions.principal import Principal
from actions.problems import Problem, not_found
from actions.recall import recall
from actions.send import send, send_many
from carillon.fields import Key, Priority, Reference, TypeName, UserId
from carillon.levels import Level
from carillon.problems import ProblemDocument, absent
from carillon.requests import Bulk, Notification
from models.deliveries.dead_letters import DeadFilter, count_hopeless
from models.deliveries.message import Action
from models.deliveries.status import (
    MAX_GROUPS,
    count_deliveries,
    count_reasons,
    failed_attempts,
    list_deliveries,
)
from models.ids import UUID_FORM
from models.lanes import Lane
from models.notifications.accept import Accepted
from models.notifications.queries import Notification as StoredNotification
from models.notifications.queries import find_notification
from models.notifications.search import Search, search
from models.sql.engine import read
from web.api.body import BULK
from web.api.deliveries import NOT_REDRIVABLE, DeliveryView, OutcomeView, delivery_view
from web.api.endpoint import Answer, Api, charge
from web.api.fields import (
    PAGE,
    ChannelName,
    KeyHeader,
    Limit,
    Moment,
    NotificationPath,
    Page,
    Query,
    RowId,
    StateName,
    View,
    after_id,
    page_of,
)
from web.context import context
from web.limits import NOTIFICATIONS

api = Api("notifications", "Send, look up and recall.")


class Links(View):
    """Where to look next."""

    self: str
    deliveries: str


class AcceptedView(View):
    """The notification is committed. Each delivery will be sent, or end in a state that says why not."""

    id: str
    status: Literal["accepted"] = "accepted"
    created_at: Moment
    links: Links


class BulkResult(View):
    """The result of one item. `status` is the HTTP status that a single request would have had."""

    status: int
    id: str | None = Field(None, exclude_if=absent)
    created_at: Moment | None = Field(None, exclude_if=absent)
    links: Links | None = Field(None, exclude_if=absent)
    replayed: bool | None = Field(
        None, exclude_if=absent, description="Whether an earlier request with this key and content was answered again."
    )
    problem: ProblemDocument | None = Field(None, exclude_if=absent)


class BulkView(View):
    """The results, in the order of the items."""

    data: list[BulkResult]


NotificationState = Literal["accepted", "expanded", "recalling", "recalled"]

# Members of the query that `Search` has under the same name.
_SAME = ("state", "type", "category", "user", "reference", "since", "until")


class NotificationView(View):
    """A notification as it was requested, and its progress.

    `accepted`: its deliveries are being written, and `recipients` grows. `expanded`: all deliveries are written.
    """

    id: str
    state: NotificationState
    mode: Literal["live", "test"]
    recipients: int
    title: str
    message: str
    data: dict[str, Any]
    level: Level
    priority: Priority
    category: str | None
    type: str
    channels: list[str] | None
    collapse_key: str | None
    reference: str | None
    url: str | None
    created_at: Moment
    expires_at: Moment


class NotificationStatus(NotificationView):
    """A notification, with the number of deliveries in each state by channel."""

    deliveries: dict[str, dict[str, int]] = Field(description="By channel, then by state, the number of deliveries.")
    withdrawals: dict[str, dict[str, int]] = Field(
        description="The same for withdrawals: what was taken back from clients, because the notification was recalled "
        "or the user has handled it elsewhere."
    )
    reasons: list[OutcomeView] = Field(
        description=f"Why deliveries are dead, expired, suppressed or cancelled: the {MAX_GROUPS} largest groups."
    )
    not_redrivable: dict[str, int] = Field(description=NOT_REDRIVABLE)


class NotificationPage(View):
    """Notifications, newest first. In a search, a page can be short or empty although there is a next page."""

    data: list[NotificationView]
    page: Page


class NotificationsQuery(Query):
    """Selects notifications: those that match all parameters given."""

    limit: Limit = PAGE
    after: str | None = Field(None, description="`page.next` of the previous page.")
    reference: Reference | None = None
    q: Key | None = Field(None, description="A part of the title, without regard to case; or an id.")
    state: NotificationState | None = None
    type: TypeName | None = None
    category: TypeName | None = None
    priority: Priority | None = None
    user: UserId | None = Field(None, description="Only notifications with a delivery to this user.")
    since: AwareDatetime | None = Field(None, description="Accepted at this time or later.")
    until: AwareDatetime | None = Field(None, description="Accepted before this time.")

    def search(self) -> Search:
        """Return the query for the ledger."""
        by_id = self.q is not None and UUID_FORM.fullmatch(self.q)
        return Search(
            text=None if by_id else self.q,
            id=UUID(self.q) if by_id else None,
            lane=Lane[self.priority] if self.priority else None,
            **{name: getattr(self, name) for name in _SAME},
        )


class DeliveryPage(View):
    """Deliveries, oldest first."""

    data: list[DeliveryView]
    page: Page


class DeliveriesQuery(Query):
    """Which deliveries."""

    limit: Limit = PAGE
    after: RowId | None = Field(None, description="`page.next` of the previous page.")
    channel: ChannelName | None = None
    state: StateName | None = None


class RecallView(View):
    """The progress of the recall."""

    id: str
    status: Literal["recalling", "recalled"]


def _links(notification_id: UUID) -> Links:
    here = f"/v1/notifications/{notification_id}"
    return Links(self=here, deliveries=f"{here}/deliveries")


@api.declare(
    "POST",
    "/notifications",
    auth="service",
    answers={202: AcceptedView},
    problems=[409],
    headers=["Location", "Idempotent-Replayed"],
)
def send_notification(caller: Principal, header: KeyHeader, body: Notification) -> Answer:
    """Send a notification.

    202 means committed: it survives any crash from here on. The same Idempotency-Key with the same body is answered
    with the same id; with another body, with 422.
    """
    accepted = send(context(), caller, body, header.idempotency_key)
    view = AcceptedView(id=str(accepted.id), created_at=accepted.created_at, links=_links(accepted.id))
    return Answer(view, 202, acceptance_headers(accepted))


@api.declare(
    "POST",
    "/notifications/bulk",
    auth="service",
    answers={202: BulkView},
    problems=[409],
    max_bytes=BULK,
)
def send_notifications(caller: Principal, header: KeyHeader, body: Bulk) -> Answer:
    """Send up to 100 notifications, each of which is accepted or refused separately.

    The accepted items are committed together. An item without an `idempotency_key` gets the header's,
    followed by # and its position from 0.
    """
    charge(caller, len(body.items) // NOTIFICATIONS)
    results = send_many(context(), caller, body.items, header.idempotency_key)
    return Answer(BulkView(data=[_result(result) for result in results]), 202)


def acceptance_headers(accepted: Accepted) -> dict[str, str]:
    """Return the headers: the notification's URL, and whether an earlier request was answered again."""
    replayed = {"Idempotent-Replayed": "true"} if accepted.replayed else {}
    return {"Location": _links(accepted.id).self, **replayed}


def _result(accepted: Accepted | Problem) -> BulkResult:
    if isinstance(accepted, Problem):
        return BulkResult(status=accepted.status, problem=accepted.document())
    return BulkResult(
        status=202,
        id=str(accepted.id),
        created_at=accepted.created_at,
        links=_links(accepted.id),
        replayed=accepted.replayed or None,
    )


def _find(connection: Connection, caller: Principal, path: NotificationPath) -> StoredNotification:
    """Return the caller's notification. Raises Problem (404) for one of another tenant or the other mode."""
    row = find_notification(connection, caller.tenant, path.uuid())
    if row is None or row.mode != caller.mode:
        raise not_found("notification")
    return row


def _fields(row: StoredNotification) -> dict[str, Any]:
    same = {name: getattr(row, name) for name in NotificationView.model_fields if name not in ("id", "priority")}
    return same | {"id": str(row.id), "priority": Lane(row.lane).name}


@api.declare("GET", "/notifications", auth=["service", "operator"], answers={200: NotificationPage})
def list_sent(caller: Principal, query: NotificationsQuery) -> NotificationPage:
    """List or search notifications, newest first."""
    before = after_id(query.after)
    with read(context().engine) as connection:
        found = search(connection, caller.tenant, caller.mode, query.search(), before=before, limit=query.limit)
    page = Page(next=str(found.next) if found.next else None, has_more=found.next is not None)
    return NotificationPage(data=[NotificationView(**_fields(row)) for row in found.rows], page=page)


@api.declare(
    "GET",
    "/notifications/<notification>",
    auth=["service", "operator"],
    answers={200: NotificationStatus},
    problems=[404],
)
def get_notification(caller: Principal, path: NotificationPath) -> NotificationStatus:
    """Look up a notification, with the numbers of its deliveries."""
    with read(context().engine) as connection:
        row = _find(connection, caller, path)
        counts = count_deliveries(connection, row.id)
        withdrawals = count_deliveries(connection, row.id, Action.WITHDRAW)
        reasons = count_reasons(connection, row.id)
        hopeless = count_hopeless(connection, DeadFilter(notification_id=row.id), context().now())
    return NotificationStatus(
        **_fields(row),
        deliveries=counts,
        withdrawals=withdrawals,
        reasons=[OutcomeView.model_validate(reason._asdict()) for reason in reasons],
        not_redrivable=hopeless,
    )


@api.declare(
    "GET",
    "/notifications/<notification>/deliveries",
    auth=["service", "operator"],
    answers={200: DeliveryPage},
    problems=[404],
)
def list_notification_deliveries(caller: Principal, path: NotificationPath, query: DeliveriesQuery) -> DeliveryPage:
    """List the deliveries of a notification, each with its failed attempts."""
    with read(context().engine) as connection:
        row = _find(connection, caller, path)
        rows = list_deliveries(
            connection,
            row.id,
            after=query.after or 0,
            limit=query.limit + 1,
            channel=query.channel,
            state=query.state,
        )
        shown, page = page_of(rows, query.limit)
        failed = failed_attempts(connection, [r.id for r in shown])
    return DeliveryPage(data=[delivery_view(r, failed.get(r.id, [])) for r in shown], page=page)


@api.declare(
    "DELETE",
    "/notifications/<notification>",
    auth=["service", "operator"],
    answers={200: RecallView, 202: RecallView},
    problems=[404],
)
def recall_notification(caller: Principal, path: NotificationPath) -> Answer:
    """Recall a notification: pending deliveries are cancelled, and shown ones are withdrawn if the channel can do it.

    A sent e-mail cannot be withdrawn. 202 starts the recall; a repeated request answers 200 with its progress.
    """
    result = recall(context(), caller, path.uuid())
    return Answer(RecallView(id=str(result.id), status=result.state), 202 if result.begun else 200)
