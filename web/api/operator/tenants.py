"""Tenants, and the keys of their services."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, Field

from actions import tenants as actions
from actions.principal import Mode, Principal
from actions.problems import Problem
from carillon.fields import Strict, TenantId, Title
from config.audiences import EVERY_TENANT
from models.sql.engine import read
from models.tenants import queries as tenant_queries
from models.tenants.api_keys import list_api_keys
from models.tenants.quotas import Quota
from models.usage.queries import by_tenant
from web.api.endpoint import Answer, Api
from web.api.fields import Moment, View
from web.api.operator_scope import every_tenant, tenant_named
from web.api.usage import Usage, UsageQuery
from web.context import context

api = Api("tenants", "Tenants and their keys, for operators.", prefix="/v1/operator")


class TenantView(View):
    """A tenant."""

    id: str
    name: str
    dialect: str | None = Field(description="The dialect of its Socket.IO clients that name none.")
    weight: int = Field(
        description="Its share of a batch relative to other tenants, set by `bin/carillon tenants weight`."
    )
    created_at: Moment


class TenantList(View):
    """Tenants, by their ids."""

    data: list[TenantView]


class TenantBody(Strict):
    """A tenant to create."""

    id: TenantId
    name: Title | None = Field(None, description="A name for people. Default: the id.")


class TenantPath(BaseModel):
    """Names a tenant."""

    tenant: str


class KeyView(View):
    """A key of a service. The prefix that is returned cannot be used as a key."""

    prefix: str
    mode: Mode
    name: str
    created_at: Moment
    created_by: str | None = Field(description="Who made it. null: made before this was recorded.")
    last_used_at: Moment | None = Field(description="Written at most once a minute. null: not used yet.")
    expires_at: Moment | None = Field(description="null: valid until it is revoked.")
    revoked_at: Moment | None


class NewKeyView(KeyView):
    """A key that has just been created."""

    key: str = Field(description="The key itself. It is returned only once.")


class KeyList(View):
    """A tenant's keys, newest first, those that were revoked included."""

    data: list[KeyView]


class KeyBody(Strict):
    """A key to create."""

    name: Title = Field(description="The purpose of the key.")
    mode: Mode = "live"
    expires_at: Annotated[AwareDatetime | None, Field(strict=False)] = Field(
        None, description="From then on the key is refused with 401. Default: valid until it is revoked."
    )


class KeyPath(TenantPath):
    """Names a key."""

    prefix: str


class ModeQuery(UsageQuery):
    """Which days, both included, and which notifications."""

    mode: Mode = "live"


class UsageOfTenant(Usage):
    """What a tenant used in a time."""

    tenant: str


class QuotaView(View):
    """A quota of a tenant, set by `bin/carillon tenants quota`."""

    quota: Quota = Field(description="What was used of a quota per day comes back evenly over 24 hours.")
    limit: int
    used: int | None = Field(description="null: not known, because Redis does not answer.")


class QuotaList(View):
    """The quotas of a tenant."""

    data: list[QuotaView]


class UsageByTenant(View):
    """Tenants that used something, by their ids."""

    data: list[UsageOfTenant]


@api.declare("GET", "/tenants", auth="operator", answers={200: TenantList})
def list_tenants(caller: Principal) -> TenantList:
    """List the tenants: all of them, or the operator's own."""
    own = None if caller.tenant == EVERY_TENANT else caller.tenant
    with read(context().engine) as connection:
        rows = tenant_queries.list_tenants(connection, own)
    return TenantList(data=[TenantView.model_validate(_fields(row, TenantView)) for row in rows])


@api.declare("POST", "/tenants", auth="operator", answers={201: TenantView}, problems=[409])
def create_tenant(caller: Principal, body: TenantBody) -> Answer:
    """Create a tenant. For operators of every tenant."""
    every_tenant(caller)
    row, created = actions.create_tenant(context(), caller, body.id, body.name or body.id)
    if not created:
        raise Problem(409, "tenant_exists", f"the tenant {body.id} exists already")
    return Answer(TenantView.model_validate(_fields(row, TenantView)), 201)


@api.declare("GET", "/usage", auth="operator", answers={200: UsageByTenant})
def get_usage_by_tenant(caller: Principal, query: ModeQuery) -> UsageByTenant:
    """Return what each tenant used, or the operator's own, without idle ones. `GET /v1/usage` has it by day."""
    own = None if caller.tenant == EVERY_TENANT else caller.tenant
    since, until = query.period()
    with read(context().engine) as connection:
        found = by_tenant(connection, query.mode, since, until, own)
    return UsageByTenant(data=[UsageOfTenant(tenant=tenant, **asdict(used)) for tenant, used in found.items()])


@api.declare("GET", "/tenants/<tenant>/quotas", auth="operator", answers={200: QuotaList}, problems=[404])
def list_quotas(caller: Principal, path: TenantPath) -> QuotaList:
    """List a tenant's quotas, and how much of each is used at this moment."""
    tenant = tenant_named(caller, path.tenant)
    return QuotaList(data=[QuotaView(**one._asdict()) for one in context().quotas.used(tenant)])


@api.declare("GET", "/tenants/<tenant>/keys", auth="operator", answers={200: KeyList}, problems=[404])
def list_keys(caller: Principal, path: TenantPath) -> KeyList:
    """List a tenant's keys by their prefixes."""
    tenant = tenant_named(caller, path.tenant)
    with read(context().engine) as connection:
        rows = list_api_keys(connection, tenant)
    return KeyList(data=[KeyView.model_validate(_fields(row, KeyView)) for row in rows])


@api.declare("POST", "/tenants/<tenant>/keys", auth="operator", answers={201: NewKeyView}, problems=[404])
def create_key(caller: Principal, path: TenantPath, body: KeyBody) -> Answer:
    """Create a key. It can be read in this answer only."""
    tenant = tenant_named(caller, path.tenant)
    key, row = actions.create_key(context(), caller, tenant, body.mode, body.name, body.expires_at)
    return Answer(NewKeyView.model_validate(_fields(row, KeyView) | {"key": key}), 201)


@api.declare("DELETE", "/tenants/<tenant>/keys/<prefix>", auth="operator", answers={200: KeyView}, problems=[404])
def revoke_key(caller: Principal, path: KeyPath) -> KeyView:
    """Revoke a key."""
    tenant = tenant_named(caller, path.tenant)
    row = actions.revoke_key(context(), caller, tenant, path.prefix)
    return KeyView.model_validate(_fields(row, KeyView))


def _fields(row: Any, view: type[View]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in view.model_fields}
