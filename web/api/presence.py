"""Presence for pages that have just been opened. Later changes arrive on the socket."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from actions.principal import Principal
from actions.problems import Problem, invalid
from bus.presence import MAX_ASKED, Away
from web.api.endpoint import Api
from web.api.fields import Query, View
from web.context import context

api = Api("presence", "Which users of one's own tenant are there.")

# Seconds.
RETRY_AFTER = 5


class PresenceQuery(Query):
    """Whose presence."""

    users: str | None = Field(
        None, description=f"Ids, separated by commas, at most {MAX_ASKED}. Leave it out for all users who are online."
    )

    def asked(self) -> list[str] | None:
        """Return the ids without duplicates. An unknown id counts as a user who is offline."""
        if self.users is None:
            return None
        ids = [user for user in dict.fromkeys(self.users.split(",")) if user]
        if len(ids) > MAX_ASKED:
            raise invalid("users", "too_long", f"must be at most {MAX_ASKED} ids")
        return ids


class PresentUser(View):
    """The state of a user."""

    user: str
    status: Literal["online", "away", "busy", "offline"]


class PresenceView(View):
    """The states of users. `more`: there are too many to list; request users by their ids."""

    data: list[PresentUser]
    more: bool


@api.declare("GET", "/presence", auth=["user", "operator"], answers={200: PresenceView})
def list_presence(caller: Principal, query: PresenceQuery) -> PresenceView:
    """List the users who are online, or the states of the users that are named."""
    try:
        present = context().leases.states(caller.tenant, query.asked())
    except Away as error:
        detail = "presence is not known at the moment; try again"
        raise Problem(503, "presence_unknown", detail, headers={"Retry-After": str(RETRY_AFTER)}) from error
    users = [PresentUser.model_validate({"user": user, "status": state}) for user, state in present.users.items()]
    return PresenceView(data=users, more=present.more)
