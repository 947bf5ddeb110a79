"""What became of a notification, and taking it back."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy import Connection, Row

from models.deliveries.lifecycle import State
from models.deliveries.status import count_deliveries, failed_attempts, find_notification, list_deliveries
from models.lanes import Lane
from models.notifications.recall import recall
from models.notifications.search import Search, search
from models.sql.engine import read, write
from web.api.endpoint import Answer
from web.api.fields import (
    PAGE,
    UUID_FORM,
    ChannelName,
    FailureName,
    Key,
    Level,
    Limit,
    Moment,
    NotificationPath,
    Page,
    Priority,
    Query,
    Reference,
    RowId,
    StateName,
    TypeName,
    UserId,
    View,
)
from web.api.notifications import api
from web.auth import Principal
from web.context import context
from web.problems import invalid, not_found

NotificationState = Literal["accepted", "expanded", "recalling", "recalled"]

# Members of a search that have the same name and form here and in the ledger.
_SAME = ("state", "type", "category", "user", "reference", "since", "until")


class NotificationView(View):
    """A notification as it was asked for, and how far it has come.

    `accepted`: its audience is still being written; `recipients` grows. `expanded`: every delivery is written.
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

    deliveries: dict[str, dict[str, int]] = Field(description="Channel, then state, then how many.")


class NotificationPage(View):
    """Notifications, newest first. A page of a search may have fewer than `limit`, or none, and still a next one."""

    data: list[NotificationView]
    page: Page


class NotificationsQuery(Query):
    """Which notifications: those that meet everything that is given."""

    limit: Limit = PAGE
    after: str | None = Field(None, description="`page.next` of the page before.")
    reference: Reference | None = None
    q: Key | None = Field(None, description="A part of the title, in any case; or an id.")
    state: NotificationState | None = None
    type: TypeName | None = None
    category: TypeName | None = None
    priority: Priority | None = None
    user: UserId | None = Field(None, description="Who has a delivery of it.")
    since: AwareDatetime | None = Field(None, description="Accepted at that moment or later.")
    until: AwareDatetime | None = Field(None, description="Accepted before that moment.")

    def search(self) -> Search:
        """The same as the ledger takes it."""
        by_id = self.q is not None and UUID_FORM.fullmatch(self.q)
        return Search(
            text=None if by_id else self.q,
            id=UUID(self.q) if by_id else None,
            lane=Lane[self.priority] if self.priority else None,
            **{name: getattr(self, name) for name in _SAME},
        )


class AttemptView(View):
    """An attempt that failed."""

    number: int
    at: Moment
    failure: FailureName
    reason: str


class DeliveryView(View):
    """One notification on its way to one address of one user. The address itself is never told."""

    id: int
    user: str
    channel: str
    action: Literal["show", "withdraw"]
    state: StateName = Field(
        description="`sent`: the provider took it; in-app, it is in the user's log, which open pages are told of. That "
        "it was seen is said by `acked` alone."
    )
    attempts: int
    failure: FailureName | None
    reason: str | None
    provider_id: str | None
    created_at: Moment
    sent_at: Moment | None = Field(description="When it became `sent`; null while it is to be sent again.")
    acked_at: Moment | None
    next_attempt_at: Moment | None
    expires_at: Moment
    seq: int | None
    failed_attempts: list[AttemptView]


class DeliveryPage(View):
    """Deliveries, oldest first."""

    data: list[DeliveryView]
    page: Page


class DeliveriesQuery(Query):
    """Which deliveries."""

    limit: Limit = PAGE
    after: RowId | None = Field(None, description="`page.next` of the page before.")
    channel: ChannelName | None = None
    state: StateName | None = None


class RecallView(View):
    """How far the recall is."""

    id: str
    status: Literal["recalling", "recalled"]


def page_of(rows: list[Any] | Any, limit: int) -> tuple[Any, Page]:
    """(the rows of the page, where the next begins) of a list that was read one longer than the page."""
    shown = rows[:limit]
    more = len(rows) > limit
    return shown, Page(next=str(shown[-1].id) if more else None, has_more=more)


def _find(connection: Connection, caller: Principal, path: NotificationPath) -> Row[Any]:
    """The caller's notification. A foreign one, and one of the other mode, do not exist for them."""
    row = find_notification(connection, caller.tenant, path.uuid())
    if row is None or row.mode != caller.mode:
        raise not_found("notification")
    return row


def _fields(row: Row[Any]) -> dict[str, Any]:
    same = {name: getattr(row, name) for name in NotificationView.model_fields if name not in ("id", "priority")}
    return same | {"id": str(row.id), "priority": Lane(row.lane).name}


@api.declare("GET", "/notifications", auth=["service", "operator"], answers={200: NotificationPage})
def list_sent(caller: Principal, query: NotificationsQuery) -> NotificationPage:
    """List notifications, newest first, or search in them."""
    before = None
    if query.after is not None:
        try:
            before = UUID(query.after)
        except ValueError as error:
            raise invalid("after", "cursor", "is not the next of a page") from error
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
    """Look up a notification, with its deliveries counted."""
    with read(context().engine) as connection:
        row = _find(connection, caller, path)
        counts = count_deliveries(connection, row.id)
    return NotificationStatus(**_fields(row), deliveries=counts)


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


def delivery_view(row: Any, failed: list[Any]) -> DeliveryView:
    """A row of `deliveries` with its `user`, as callers see it."""
    computed = ("next_attempt_at", "failed_attempts")
    return DeliveryView(
        **{name: getattr(row, name) for name in DeliveryView.model_fields if name not in computed},
        next_attempt_at=row.due_at if row.state == State.PENDING else None,
        failed_attempts=[AttemptView(number=a.number, at=a.at, failure=a.failure, reason=a.reason) for a in failed],
    )


@api.declare(
    "DELETE",
    "/notifications/<notification>",
    auth=["service", "operator"],
    answers={200: RecallView, 202: RecallView},
    problems=[404],
)
def recall_notification(caller: Principal, path: NotificationPath) -> Answer:
    """Take a notification back: what is pending is cancelled, what was shown is withdrawn where that can be done.

    An e-mail that was sent stays sent. 202 begins the recall; a later call answers 200 and says how far it is.
    """
    with write(context().engine) as connection:
        row = _find(connection, caller, path)
        begun = recall(connection, caller.tenant, row.id, context().now())
        # Read again: another call may have begun it between the two statements.
        state = _find(connection, caller, path).state
    if state == "recalling":
        context().bells.expand(row.id, row.lane)
    return Answer(RecallView(id=str(row.id), status=state), 202 if begun else 200)
