"""Rows of the outbox that could not be accepted."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from actions.principal import Principal
from carillon.problems import ProblemDocument
from models.outbox.queries import Rejected, list_rejected
from models.sql.engine import read
from web.api.endpoint import Api
from web.api.fields import PAGE, Limit, Moment, Page, Query, View, after_id, page_of
from web.context import context

api = Api("outbox", "What services asked for in their own transactions.")


class RejectedRow(View):
    """A row that cannot be accepted. It is kept within retention, and never sent."""

    id: str
    kind: str
    body: Any = Field(description="The body that the service wrote.")
    created_at: Moment
    rejected_at: Moment
    problem: ProblemDocument = Field(description="The problem document that an HTTP request with this body would get.")


class RejectedPage(View):
    """Rejected rows, newest first."""

    data: list[RejectedRow]
    page: Page


class RejectedQuery(Query):
    """Which rows."""

    after: str | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


@api.declare("GET", "/outbox/rejected", auth=["service", "operator"], answers={200: RejectedPage})
def list_rejected_rows(caller: Principal, query: RejectedQuery) -> RejectedPage:
    """List the tenant's rows of the outbox that were rejected, newest first."""
    before = after_id(query.after)
    with read(context().engine) as connection:
        rows = list_rejected(connection, caller.tenant, before=before, limit=query.limit + 1)
    shown, page = page_of(rows, query.limit)
    return RejectedPage(data=[_view(row) for row in shown], page=page)


def _view(row: Rejected) -> RejectedRow:
    return RejectedRow(
        id=str(row.id),
        kind=row.kind,
        body=row.body,
        created_at=row.created_at,
        rejected_at=row.rejected_at,
        problem=ProblemDocument.model_validate(row.problem),
    )
