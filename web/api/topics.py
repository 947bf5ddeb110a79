"""Who is on the list of a topic."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from models.db import write
from models.ledger import people
from web.api.endpoint import Api
from web.api.fields import Strict, Topic, UserId, View
from web.api.people import live_only
from web.auth import Principal
from web.context import context

api = Api("topics", "Lists of users that a notification can be addressed to.")


class TopicPath(BaseModel):
    """Names a topic. It exists as long as somebody is on its list."""

    topic: Topic


class Members(Strict):
    """Users by their ids."""

    users: Annotated[list[UserId], Field(min_length=1, max_length=1000)]


class Added(View):
    """All of them are on the list now."""

    topic: str
    members: int = Field(description="How many different users were named.")


class Removed(View):
    """None of them is on the list now."""

    topic: str
    removed: int = Field(description="How many of them were on it.")


@api.declare("PUT", "/topics/<topic>/members", auth="service", answers={200: Added})
def add_members(caller: Principal, path: TopicPath, body: Members) -> Added:
    """Put users on the list. Users not known yet are created."""
    live_only(caller)
    now = context().now()
    with write(context().engine) as connection:
        ids = people.upsert_users(connection, caller.tenant, map(people.Person, body.users), now)
        people.subscribe(connection, caller.tenant, path.topic, ids, now)
    return Added(topic=path.topic, members=len(ids))


@api.declare("DELETE", "/topics/<topic>/members", auth="service", answers={200: Removed})
def remove_members(caller: Principal, path: TopicPath, body: Members) -> Removed:
    """Take users off the list."""
    live_only(caller)
    with write(context().engine) as connection:
        removed = people.unsubscribe(connection, caller.tenant, path.topic, body.users)
    return Removed(topic=path.topic, removed=removed)
