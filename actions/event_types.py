"""Declare and withdraw a tenant's event types."""

from __future__ import annotations

from actions.audit import record
from actions.installation import Installation
from actions.principal import Principal, require_live
from actions.problems import Problem, not_found
from carillon.problems import FieldError
from models.catalogue import queries
from models.catalogue.event_type import Declaration
from models.catalogue.queries import TooManyTypes
from models.catalogue.source import declaration_errors
from models.sql.engine import write

_CHANGE = "change the catalogue, which both modes share"


def declare(installation: Installation, caller: Principal, name: str, declaration: Declaration) -> None:
    """Declare a type for the tenant, or replace its declaration. Raises Problem (403, 409, 422)."""
    require_live(caller, _CHANGE)
    wrong = declaration_errors(name, declaration)
    if wrong:
        errors = [FieldError(field=where, code="declaration", message=what) for where, what in wrong]
        raise Problem(422, "validation", f"{errors[0].field}: {errors[0].message}", errors=errors)
    with write(installation.engine) as connection:
        most = installation.quotas.event_types(connection, caller.tenant)
        try:
            queries.declare(connection, caller.tenant, name, declaration, installation.now(), most)
        except TooManyTypes as error:
            detail = f"the tenant can declare {most} types: delete some, or use one with a member that tells apart"
            raise Problem(409, "too_many_event_types", detail) from error
        record(connection, installation, caller, "event_type.declare", name)


def withdraw(installation: Installation, caller: Principal, name: str) -> None:
    """Withdraw the tenant's declaration of a type. Raises Problem (403, 404)."""
    require_live(caller, _CHANGE)
    with write(installation.engine) as connection:
        if not queries.withdraw(connection, caller.tenant, name):
            raise not_found("event type of the tenant's own")
        record(connection, installation, caller, "event_type.withdraw", name)
