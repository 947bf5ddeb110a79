"""Dead letters: deliveries that failed for good, and their redrive."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from actions.principal import Principal
from actions.redrive import MAX_AT_ONCE, redrive
from carillon.fields import Strict
from models.deliveries.dead_letters import DeadFilter, list_dead
from models.deliveries.lifecycle import Failure
from models.deliveries.status import failed_attempts
from models.sql.engine import read
from web.api.deliveries import DeliveryView, delivery_view
from web.api.endpoint import Api
from web.api.fields import PAGE, ChannelName, FailureName, Limit, NotificationPath, Page, Query, RowId, View, page_of
from web.context import context

api = Api("dead letters", "What could not be delivered, and why.")


class DeadLetter(DeliveryView):
    """A dead delivery."""

    notification_id: str


class DeadPage(View):
    """Dead letters, oldest first."""

    data: list[DeadLetter]
    page: Page


class DeadQuery(Query):
    """Which dead letters."""

    limit: Limit = PAGE
    after: RowId | None = Field(None, description="`page.next` of the previous page.")
    failure: FailureName | None = None
    channel: ChannelName | None = None


class RedriveBody(Strict):
    """Selects the dead letters to send again: those that match all members given."""

    failure: Annotated[FailureName | None, Field(strict=False)] = None
    channel: ChannelName | None = None
    notification_id: str | None = None
    ids: Annotated[list[RowId] | None, Field(min_length=1, max_length=MAX_AT_ONCE)] = None
    limit: int = Field(
        MAX_AT_ONCE, ge=1, le=MAX_AT_ONCE, description="The largest number to send again in this request."
    )


class Redriven(View):
    """The deliveries are pending again, with a full set of attempts."""

    redriven: int
    remaining: bool = Field(description="Whether more may match. If so, repeat the request.")


@api.declare("GET", "/dead-letters", auth=["service", "operator"], answers={200: DeadPage})
def list_dead_letters(caller: Principal, query: DeadQuery) -> DeadPage:
    """List the tenant's dead letters."""
    which = DeadFilter(tenant_id=caller.tenant, mode=caller.mode, failure=query.failure, channel=query.channel)
    with read(context().engine) as connection:
        rows = list_dead(connection, which, after=query.after or 0, limit=query.limit + 1)
        shown, page = page_of(rows, query.limit)
        failed = failed_attempts(connection, [row.id for row in shown])
    letters = [
        DeadLetter(**delivery_view(row, failed.get(row.id, [])).model_dump(), notification_id=str(row.notification_id))
        for row in shown
    ]
    return DeadPage(data=letters, page=page)


@api.declare("POST", "/dead-letters/redrive", auth=["service", "operator"], answers={200: Redriven}, problems=[404])
def redrive_dead_letters(caller: Principal, body: RedriveBody) -> Redriven:
    """Send dead letters again, up to 1000 in a request. Expired ones stay dead."""
    named = body.notification_id
    which = DeadFilter(
        tenant_id=caller.tenant,
        mode=caller.mode,
        failure=Failure(body.failure) if body.failure else None,
        channel=body.channel,
        notification_id=NotificationPath(notification=named).uuid() if named is not None else None,
        ids=body.ids,
    )
    number = redrive(context(), which, body.limit)
    return Redriven(redriven=number, remaining=number == body.limit)
