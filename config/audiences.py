"""Whom a token is for, and for whom a key may sign."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from carillon.fields import TenantId
from carillon.problems import ValidationError
from carillon.validation import checked

CLIENT = "carillon:client"
SERVICE = "carillon:service"
OPERATOR = "carillon:operator"
AUDIENCES = (CLIENT, SERVICE, OPERATOR)
# What a key may sign for that says nothing about it. An operator's token opens every tenant, so that takes saying.
USUAL_AUDIENCES = (CLIENT, SERVICE)

# The tenant of an operator of all tenants.
EVERY_TENANT = "*"


@dataclass(frozen=True, slots=True)
class Binding:
    """For whom a key may sign. `tenants` None: for every tenant, and for an operator of all of them."""

    audiences: frozenset[str] = frozenset(USUAL_AUDIENCES)
    tenants: frozenset[str] | None = None

    def allows(self, audience: str, tenant: str) -> bool:
        """Whether the key may sign a token for this audience and tenant."""
        return audience in self.audiences and (self.tenants is None or tenant in self.tenants)


def known_audiences(given: Iterable[object]) -> list[str]:
    """Return the audiences as they were given. Raises ValueError if there are none, or others than ours."""
    audiences = [one for one in given if isinstance(one, str) and one in AUDIENCES]
    if not audiences or audiences != [*given]:
        raise ValueError(f"must name some of {', '.join(AUDIENCES)}")
    return audiences


def tenant_ids(given: Iterable[object]) -> list[str]:
    """Return the tenants as they were given. Raises ValueError if there are none, or something else than ids."""
    try:
        tenants: list[str] = [checked("tenant", TenantId, one) for one in given]
    except ValidationError as error:
        raise ValueError(f"must hold ids of tenants: {error}") from error
    if not tenants:
        raise ValueError("must name a tenant; left out, it means every tenant")
    return tenants
