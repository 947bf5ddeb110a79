"""Dead letters: deliveries that failed for good, and their redrive."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from actions.principal import Principal
from actions.problems import not_found
from actions.redrive import MAX_AT_ONCE, redrive
from carillon.fields import Strict
from models.deliveries.dead_letters import DeadFilter, list_dead
from models.deliveries.lifecycle import Failure
from models.deliveries.redrives import outcomes
from models.deliveries.status import MAX_GROUPS, failed_attempts
from models.ids import UUID_FORM
from models.sql.engine import read
from web.api.deliveries import NOT_REDRIVABLE, DeliveryView, OutcomeView, delivery_view
from web.api.endpoint import Api
from web.api.fields import (
    PAGE,
    ChannelName,
    FailureName,
    Limit,
    NotificationPath,
    Page,
    Query,
    RowId,
    View,
    page_of,
)
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
    redrive: str | None = Field(
        None, description="The `id` of an earlier answer, to continue that redrive. It takes no letter twice."
    )
    limit: int = Field(
        MAX_AT_ONCE, ge=1, le=MAX_AT_ONCE, description="The largest number to send again in this request."
    )


class Redriven(View):
    """The deliveries are pending again, with a full set of attempts.

    `GET /v1/redrives/{id}` says what became of them.
    """

    id: str = Field(description="The redrive. To continue it, send it as `redrive`.")
    redriven: int
    not_redriven: dict[str, int] = Field(description=f"{NOT_REDRIVABLE} Counted when `remaining` is false.")
    remaining: bool = Field(description="Whether more may match. If so, repeat the request.")


class RedrivePath(BaseModel):
    """Names a redrive."""

    redrive: str = Field(description="The `id` in the answer to `POST /v1/dead-letters/redrive`.")

    def uuid(self) -> UUID:
        """Return the id. Raises Problem (404) for a text that is not an id."""
        if not UUID_FORM.fullmatch(self.redrive):
            raise not_found("redrive")
        return UUID(self.redrive)


class RedriveView(View):
    """The present states of the deliveries of a redrive."""

    id: str
    outcomes: list[OutcomeView] = Field(description=f"The {MAX_GROUPS} largest groups.")


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
    """Send dead letters again, up to 1000 in a request. Those that would not be sent all the same stay dead."""
    named = body.notification_id
    which = DeadFilter(
        tenant_id=caller.tenant,
        mode=caller.mode,
        failure=Failure(body.failure) if body.failure else None,
        channel=body.channel,
        notification_id=NotificationPath(notification=named).uuid() if named is not None else None,
        ids=body.ids,
    )
    continued = RedrivePath(redrive=body.redrive).uuid() if body.redrive is not None else None
    done = redrive(context(), caller, which, body.limit, continued)
    return Redriven(
        id=str(done.id), redriven=done.redriven, remaining=done.remaining, not_redriven=dict(done.not_redriven)
    )


@api.declare("GET", "/redrives/<redrive>", auth=["service", "operator"], answers={200: RedriveView}, problems=[404])
def get_redrive(caller: Principal, path: RedrivePath) -> RedriveView:
    """See what became of the dead letters that were sent again."""
    id_ = path.uuid()
    with read(context().engine) as connection:
        found = outcomes(connection, id_, caller.tenant, caller.mode)
    if not found:
        raise not_found("redrive")
    return RedriveView(id=str(id_), outcomes=[OutcomeView.model_validate(outcome._asdict()) for outcome in found])
