"""The audit log, for operators."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from actions.principal import Principal
from models.audit.queries import Record, list_records
from models.sql.engine import read
from web.api.endpoint import Api
from web.api.fields import PAGE, Limit, Moment, Page, Query, View, after_id, page_of
from web.api.operator_scope import tenant_meant
from web.context import context

api = Api("audit", "Who changed what in the administration.")


class AuditQuery(Query):
    """Which records."""

    tenant: str | None = Field(None, description="Every tenant's and the installation's, if not given.")
    action: str | None = Field(None, max_length=64, description="Such as `key.create`.")
    limit: Limit = PAGE
    after: str | None = Field(None, description="`page.next` of the previous page.")


class AuditRecord(View):
    """A record. It is never changed."""

    id: str
    at: Moment
    tenant: str = Field(description='"*" for what concerns the whole installation.')
    actor_kind: str = Field(description="service, operator or user.")
    actor: str = Field(description="The prefix of an API key, the subject of a token, or cli: and a login name.")
    action: str
    subject: str
    details: dict[str, Any]
    ip: str | None = Field(description="The peer's address. null for commands.")
    request_id: str | None


class AuditPage(View):
    """Records, newest first."""

    data: list[AuditRecord]
    page: Page


@api.declare("GET", "/audit", auth="operator", answers={200: AuditPage}, problems=[404])
def list_audit(caller: Principal, query: AuditQuery) -> AuditPage:
    """List the audit log, newest first."""
    tenant = tenant_meant(caller, query.tenant)
    before = after_id(query.after)
    with read(context().engine) as connection:
        rows = list_records(connection, tenant, action=query.action, before=before, limit=query.limit + 1)
    shown, page = page_of(rows, query.limit)
    return AuditPage(data=[_view(row) for row in shown], page=page)


def _view(row: Record) -> AuditRecord:
    same = {name: value for name, value in row._asdict().items() if name not in ("id", "tenant_id")}
    return AuditRecord(id=str(row.id), tenant=row.tenant_id, **same)
