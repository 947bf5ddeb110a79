"""Open connections of users, for services: list them, count them, send a message to one."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from actions.direct_message import send_direct_message
from actions.principal import Principal
from actions.problems import Problem
from bus.presence import Away
from carillon.fields import Strict
from web.api.endpoint import Answer, Api
from web.api.fields import UserPath, View
from web.api.users import USER
from web.context import context

api = Api("connections", "Open pages and apps.")

# Seconds.
RETRY_AFTER = 5


class Connections(View):
    """The ids of a user's open connections, on every device. A connection that has just closed can be among them."""

    data: list[str]


class ConnectionCount(View):
    """Numbers of open connections. A connection counts once, however many namespaces it has open."""

    web_processes: int
    users: int = Field(description="Users of the tenant who are online.")
    connections: int
    rooms: int = Field(description="One for each of these users, and the tenant's.")


class ConnectionPath(BaseModel):
    """Names a connection."""

    connection: str = Field(max_length=64)


class DirectMessage(Strict):
    """A message to one connection."""

    message: dict[str, Any] = Field(description="What the client receives; at most 8 KiB, 16 levels.")


class Passed(View):
    """The message was published. Carillon does not learn whether it arrived."""

    status: str = "passed"


@api.declare("GET", f"{USER}/connections", auth=["service", "operator"], answers={200: Connections})
def list_connections(caller: Principal, path: UserPath) -> Connections:
    """List a user's open connections."""
    try:
        return Connections(data=context().leases.connections(caller.tenant, path.user))
    except Away as error:
        raise _unknown() from error


@api.declare("GET", "/connections/count", auth=["service", "operator"], answers={200: ConnectionCount})
def count_connections(caller: Principal) -> ConnectionCount:
    """Count the tenant's open connections."""
    return counted(caller)


def counted(caller: Principal) -> ConnectionCount:
    """Return the numbers of the tenant's open connections. Raises Problem (503)."""
    try:
        found = context().leases.count(caller.tenant)
    except Away as error:
        raise _unknown() from error
    rooms = found.users + 1 if found.users else 0
    return ConnectionCount(**found._asdict(), rooms=rooms)


@api.declare("POST", "/connections/<connection>/messages", auth="service", answers={202: Passed}, problems=[404])
def send_to_connection(caller: Principal, path: ConnectionPath, body: DirectMessage) -> Answer:
    """Send a message to one connection of the tenant, without storing it.

    The client receives it as `direct_message`. It is not stored and has no number. A Socket.IO session in any namespace
    can be named, or a connection, which stands for the first of its sessions.
    """
    send_direct_message(context(), caller, path.connection, body.message)
    return Answer(Passed(), 202)


def _unknown() -> Problem:
    detail = "open connections are not known at the moment; try again"
    return Problem(503, "presence_unavailable", detail, headers={"Retry-After": str(RETRY_AFTER)})
