"""Operators at the endpoints of services: they name the tenant for which they act."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from pydantic import BaseModel, ConfigDict, Field
from werkzeug.datastructures import Headers

from actions.principal import Mode, Principal
from actions.problems import Problem, not_found
from carillon.fields import TenantId
from carillon.problems import FieldError, ValidationError
from carillon.validation import checked
from config.audiences import EVERY_TENANT
from models.sql.engine import read
from models.tenants.queries import tenant_exists
from web.auth import AuthError
from web.context import context

TENANT_HEADER = "Carillon-Tenant"
MODE_HEADER = "Carillon-Mode"


class OnBehalf(BaseModel):
    """Headers of operators. Other callers leave them out."""

    model_config = ConfigDict(extra="ignore")

    tenant: str | None = Field(
        None, alias=TENANT_HEADER, description='For operators: the tenant. Required with a token of the tenant "*".'
    )
    mode: Mode = Field("live", alias=MODE_HEADER, description="For operators: live or test notifications.")


def on_behalf(operator: Principal, headers: Headers) -> Principal:
    """Return the operator as a principal of the tenant and mode in the headers.

    Raises Problem (400 if the tenant is missing or malformed, 404 if it does not exist) and AuthError if the
    token is of another tenant.
    """
    mode = headers.get(MODE_HEADER, "live")
    if mode not in ("live", "test"):
        raise _unclear(MODE_HEADER, "must be live or test")
    named = headers.get(TENANT_HEADER)
    if operator.tenant != EVERY_TENANT:
        if named not in (None, operator.tenant):
            raise AuthError("forbidden", f"the token is of another tenant than {TENANT_HEADER} names")
        return replace(operator, mode=cast(Mode, mode))
    if named is None:
        raise _unclear(TENANT_HEADER, "an operator of every tenant has to name a tenant")
    tenant = known_tenant(named)
    return replace(operator, tenant=tenant, mode=cast(Mode, mode))


def tenant_meant(operator: Principal, named: str | None) -> str | None:
    """Return the tenant that is named, else the operator's own, or None for all. Raises Problem as tenant_named."""
    if named is None:
        return None if operator.tenant == EVERY_TENANT else operator.tenant
    return tenant_named(operator, named)


def tenant_named(operator: Principal, named: str) -> str:
    """Return the tenant that is named. Raises Problem if there is none, or it is not the operator's."""
    if operator.tenant not in (EVERY_TENANT, named):
        raise not_found("tenant")
    return known_tenant(named)


def every_tenant(operator: Principal) -> None:
    """Raise AuthError unless the operator has access to every tenant."""
    if operator.tenant != EVERY_TENANT:
        raise AuthError("forbidden", f'this needs the token of an operator of every tenant (tenant "{EVERY_TENANT}")')


def known_tenant(named: str) -> str:
    """Return the name if there is such a tenant. Raises Problem (404)."""
    try:
        # PostgreSQL refuses some texts that are no ids.
        checked("tenant", TenantId, named)
    except ValidationError as error:
        raise not_found("tenant") from error
    with read(context().engine) as connection:
        if not tenant_exists(connection, named):
            raise not_found("tenant")
    return named


def _unclear(header: str, message: str) -> Problem:
    errors = [FieldError(field=header, code="header", message=message)]
    return Problem(400, "invalid_header", f"{header}: {message}", errors=errors)
