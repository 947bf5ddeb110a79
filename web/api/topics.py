"""Subscribers of topics: changed by services, and by users where a topic is open."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from actions import topics as actions
from actions.principal import Principal
from carillon.fields import Strict, Topic, UserId
from models.sql.engine import read
from models.topics import queries as topic_queries
from web.api.endpoint import Api
from web.api.fields import PAGE, Deleted, Limit, Page, Query, View
from web.context import context

api = Api("topics", "Lists of users that a notification can be addressed to.")


class TopicPath(BaseModel):
    """Names a topic. A topic exists while it has subscribers."""

    topic: Topic


class Members(Strict):
    """Users by their ids."""

    users: Annotated[list[UserId], Field(min_length=1, max_length=1000)]


class Added(View):
    """All named users are subscribed now."""

    topic: str
    members: int = Field(description="The number of different users that were named.")


class Removed(View):
    """None of the named users is subscribed now."""

    topic: str
    removed: int = Field(description="The number of them that were subscribed.")


class Door(Strict):
    """Whether users can subscribe and unsubscribe themselves."""

    open: bool


class TopicView(View):
    """A topic."""

    topic: str
    open: bool


class Subscription(View):
    """A subscription of the user."""

    topic: str


class SubscriptionPage(View):
    """The user's subscriptions, by topic."""

    data: list[Subscription]
    page: Page


class SubscriptionsQuery(Query):
    """Which of them."""

    after: Topic | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


@api.declare("PUT", "/topics/<topic>/members", auth="service", answers={200: Added}, problems=[409])
def add_members(caller: Principal, path: TopicPath, body: Members) -> Added:
    """Subscribe users to the topic. Unknown users are created."""
    return Added(topic=path.topic, members=actions.add_members(context(), caller, path.topic, body.users))


@api.declare("DELETE", "/topics/<topic>/members", auth="service", answers={200: Removed})
def remove_members(caller: Principal, path: TopicPath, body: Members) -> Removed:
    """Unsubscribe users from the topic."""
    return Removed(topic=path.topic, removed=actions.remove_members(context(), caller, path.topic, body.users))


@api.declare("PUT", "/topics/<topic>", auth="service", answers={200: TopicView}, problems=[409])
def put_topic(caller: Principal, path: TopicPath, body: Door) -> TopicView:
    """Open a topic to users, or close it. A topic is closed until it is opened. Its subscribers stay subscribed."""
    actions.set_open(context(), caller, path.topic, body.open)
    return TopicView(topic=path.topic, open=body.open)


@api.declare("GET", "/subscriptions", auth="user", answers={200: SubscriptionPage})
def list_subscriptions(caller: Principal, query: SubscriptionsQuery) -> SubscriptionPage:
    """List the topics that the user is subscribed to."""
    with read(context().engine) as connection:
        found = topic_queries.list_subscriptions(
            connection, caller.tenant, caller.id, after=query.after or "", limit=query.limit + 1
        )
    shown, more = found[: query.limit], len(found) > query.limit
    return SubscriptionPage(
        data=[Subscription(topic=topic) for topic in shown],
        page=Page(next=shown[-1] if more else None, has_more=more),
    )


@api.declare("PUT", "/subscriptions/<topic>", auth="user", answers={200: Subscription}, problems=[404, 409])
def join_topic(caller: Principal, path: TopicPath) -> Subscription:
    """Subscribe the user to a topic that is open.

    The user is subscribed, not a device: notifications to the topic reach them on every channel. A topic that is not
    open is not found, because its existence may be confidential.
    """
    actions.join(context(), caller, path.topic)
    return Subscription(topic=path.topic)


@api.declare("DELETE", "/subscriptions/<topic>", auth="user", answers={200: Deleted}, problems=[404])
def leave_topic(caller: Principal, path: TopicPath) -> Deleted:
    """Unsubscribe the user from a topic that is open, if they were subscribed."""
    actions.leave(context(), caller, path.topic)
    return Deleted()
