"""Deliveries as callers see them."""

from __future__ import annotations

import re
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from actions.principal import Principal
from actions.problems import invalid, not_found
from carillon.fields import UserId
from models.deliveries.lifecycle import State
from models.deliveries.record import MAX_KEPT
from models.deliveries.status import Delivery, failed_attempts, list_user_deliveries
from models.ids import UUID_FORM
from models.sql.engine import read
from models.users.queries import find_user
from web.api.endpoint import Api
from web.api.fields import (
    PAGE,
    ChannelName,
    FailureName,
    Limit,
    Moment,
    Page,
    Query,
    StateName,
    View,
)
from web.context import context

api = Api("deliveries", "What became of notifications, user by user.")

NOT_REDRIVABLE = (
    "Dead letters that sending again would not help, by why: `recalled`, `handled` (the user has read, archived or "
    "deleted the item), `expired`, `address_gone`."
)


class AttemptView(View):
    """An attempt that failed."""

    number: int = Field(description="From 1, and again from 1 after a redrive.")
    at: Moment
    failure: FailureName
    reason: str


class DeliveryView(View):
    """A delivery: one notification to one address of one user. The address itself is not returned."""

    id: int
    user: str
    channel: str
    action: Literal["show", "withdraw"]
    state: StateName = Field(
        description="`sent`: the provider took it; in-app, it is in the user's log and published to open pages. That "
        "it was seen is said by `acked` alone."
    )
    attempts: int = Field(
        description="Attempts that count against the channel's limit. Those that met an outage, a quota or refused "
        "credentials do not."
    )
    failure: FailureName | None
    reason: str | None
    provider_id: str | None
    created_at: Moment
    sent_at: Moment | None = Field(description="When it became `sent`. null if it has to be sent again.")
    acked_at: Moment | None
    next_attempt_at: Moment | None
    expires_at: Moment
    seq: int | None
    failed_attempts: list[AttemptView] = Field(
        description=f"The first {MAX_KEPT - 1} that failed, and the last. Those that do not count are included."
    )


class OutcomeView(View):
    """Deliveries that are in the same state for the same reason."""

    channel: str
    state: StateName
    failure: FailureName | None
    reason: str | None
    number: int


class UserDelivery(DeliveryView):
    """A delivery to the user."""

    notification_id: str
    title: str = Field(description="The title of the notification.")


class UserDeliveryPage(View):
    """A user's deliveries, those of the newest notification first."""

    data: list[UserDelivery]
    page: Page


class UserDeliveriesQuery(Query):
    """Whose deliveries, and which."""

    user: UserId
    channel: ChannelName | None = None
    state: StateName | None = None
    limit: Limit = PAGE
    after: str | None = Field(None, description="`page.next` of the previous page.")


@api.declare("GET", "/deliveries", auth=["service", "operator"], answers={200: UserDeliveryPage}, problems=[404])
def list_deliveries_of_user(caller: Principal, query: UserDeliveriesQuery) -> UserDeliveryPage:
    """List what became of each notification to a user, with the failed attempts."""
    before = _position(query.after)
    with read(context().engine) as connection:
        if find_user(connection, caller.tenant, query.user) is None:
            raise not_found("user")
        rows = list_user_deliveries(
            connection,
            caller.tenant,
            caller.mode,
            query.user,
            before=before,
            limit=query.limit + 1,
            channel=query.channel,
            state=query.state,
        )
        shown, more = rows[: query.limit], len(rows) > query.limit
        failed = failed_attempts(connection, [row.delivery.id for row in shown])
    data = [
        UserDelivery(
            **delivery_view(one, failed.get(one.id, [])).model_dump(),
            notification_id=str(one.notification_id),
            title=title,
        )
        for one, title in shown
    ]
    return UserDeliveryPage(data=data, page=Page(next=_after(shown[-1].delivery) if more else None, has_more=more))


def _after(last: Delivery) -> str:
    return f"{last.notification_id}.{last.id}"


def _position(after: str | None) -> tuple[UUID, int] | None:
    if after is None:
        return None
    notification, _, number = after.partition(".")
    if not UUID_FORM.fullmatch(notification) or not re.fullmatch(r"[0-9]{1,18}", number):
        raise invalid("after", "cursor", "is not the `next` of a page")
    return UUID(notification), int(number)


def delivery_view(row: Any, failed: list[Any]) -> DeliveryView:
    """A row of `deliveries` with its `user`, as callers see it."""
    computed = ("next_attempt_at", "failed_attempts")
    return DeliveryView(
        **{name: getattr(row, name) for name in DeliveryView.model_fields if name not in computed},
        next_attempt_at=row.due_at if row.state == State.PENDING else None,
        failed_attempts=[AttemptView(number=a.number, at=a.at, failure=a.failure, reason=a.reason) for a in failed],
    )
