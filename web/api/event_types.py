"""The catalogue of event types: common types, and those of a tenant."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from actions import event_types as actions
from actions.principal import Principal
from actions.problems import not_found
from carillon.fields import Key
from models.catalogue.event_type import Declaration, EventType
from models.catalogue.queries import all_types, declared, find
from models.catalogue.source import built_in
from models.sql.engine import read
from web import typescript
from web.api.endpoint import Answer, Api
from web.api.fields import View
from web.context import context

api = Api("catalogue", "The types of events, their payloads, and how they travel.")


class DeclarationBody(Declaration):
    """The declaration of a type."""

    model_config = ConfigDict(strict=True)


class TypePath(BaseModel):
    """Names a type."""

    name: Key = Field(description="domain:action, such as invoice:paid.")


class EventTypeView(EventType):
    """A type. `reserved`: services cannot publish it. `emitted_by` nobody: the name is reserved only."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    declared_by: Literal["carillon", "installation", "tenant"]


class EventTypeList(View):
    """All types that the tenant's clients can receive or send, by name."""

    data: list[EventTypeView]


class Withdrawn(View):
    """The tenant's declaration is deleted. If there is a common type of that name, it applies again."""

    deleted: Literal[True] = True


def _view(type_: EventType, own: bool) -> EventTypeView:
    if own:
        declared_by: Literal["carillon", "installation", "tenant"] = "tenant"
    else:
        declared_by = "carillon" if built_in().get(type_.name) == type_ else "installation"
    return EventTypeView(**type_.model_dump(), declared_by=declared_by)


@api.declare("GET", "/event-types", auth="service", answers={200: EventTypeList})
def list_event_types(caller: Principal) -> EventTypeList:
    """List the catalogue."""
    with read(context().engine) as connection:
        own = {type_.name: type_ for type_ in declared(connection, caller.tenant)}
    common = context().catalogue
    return EventTypeList(data=[_view(own.get(n) or common[n], n in own) for n in sorted({*own, *common})])


@api.declare("GET", "/event-types.ts", auth="service", answers={200: str})
def event_types_as_typescript(caller: Principal) -> str:
    """The catalogue as TypeScript: constants of the names, and types of the payloads."""
    with read(context().engine) as connection:
        return typescript.render(all_types(connection, caller.tenant, context().catalogue))


@api.declare("GET", "/event-types/<name>", auth="service", answers={200: EventTypeView}, problems=[404])
def get_event_type(caller: Principal, path: TypePath) -> EventTypeView:
    """Look up a type, as it applies to the tenant."""
    with read(context().engine) as connection:
        type_ = find(connection, caller.tenant, path.name, context().catalogue)
    if type_ is None:
        raise not_found("event type")
    return _view(type_, type_ is not context().catalogue.get(path.name))


@api.declare("PUT", "/event-types/<name>", auth="service", answers={200: EventTypeView}, problems=[409])
def put_event_type(caller: Principal, path: TypePath, body: DeclarationBody) -> Answer:
    """Declare a type for the tenant, or replace its declaration.

    It replaces a common type of the same name, unless that is reserved. Earlier events stay as they are.
    """
    actions.declare(context(), caller, path.name, body)
    return Answer(_view(EventType(name=path.name, **body.model_dump()), own=True))


@api.declare("DELETE", "/event-types/<name>", auth="service", answers={200: Withdrawn}, problems=[404])
def delete_event_type(caller: Principal, path: TypePath) -> Withdrawn:
    """Delete the tenant's declaration of a type."""
    actions.withdraw(context(), caller, path.name)
    return Withdrawn()
