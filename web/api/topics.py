"""Who is on the list of a topic: services say so, and users of those that are open to them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy import Connection

from models.sql.engine import read, write
from models.topics import queries as topic_queries
from models.topics.queries import close_topic, open_topic, subscribe, topic_is_open, unsubscribe
from models.users.queries import Person, upsert_users
from web.api.endpoint import Api
from web.api.fields import PAGE, Limit, Page, Query, Strict, Topic, UserId, View
from web.api.users import Deleted, live_only
from web.auth import Principal
from web.context import context
from web.problems import not_found

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


class Door(Strict):
    """Whether users may put themselves on the list, and take themselves off it."""

    open: bool


class TopicView(View):
    """A topic."""

    topic: str
    open: bool


class Subscription(View):
    """A list that the user is on."""

    topic: str


class SubscriptionPage(View):
    """The lists that the user is on, by name."""

    data: list[Subscription]
    page: Page


class SubscriptionsQuery(Query):
    """Which of them."""

    after: Topic | None = Field(None, description="The next of the last page.")
    limit: Limit = PAGE


@api.declare("PUT", "/topics/<topic>/members", auth="service", answers={200: Added})
def add_members(caller: Principal, path: TopicPath, body: Members) -> Added:
    """Put users on the list. Users not known yet are created."""
    live_only(caller)
    now = context().now()
    with write(context().engine) as connection:
        ids = upsert_users(connection, caller.tenant, map(Person, body.users), now)
        subscribe(connection, caller.tenant, path.topic, ids, now)
    return Added(topic=path.topic, members=len(ids))


@api.declare("DELETE", "/topics/<topic>/members", auth="service", answers={200: Removed})
def remove_members(caller: Principal, path: TopicPath, body: Members) -> Removed:
    """Take users off the list."""
    live_only(caller)
    with write(context().engine) as connection:
        removed = unsubscribe(connection, caller.tenant, path.topic, body.users)
    return Removed(topic=path.topic, removed=removed)


@api.declare("PUT", "/topics/<topic>", auth="service", answers={200: TopicView})
def put_topic(caller: Principal, path: TopicPath, body: Door) -> TopicView:
    """Open a topic to users, or close it. It is closed until somebody opens it; whoever is on its list stays there."""
    live_only(caller)
    with write(context().engine) as connection:
        if body.open:
            open_topic(connection, caller.tenant, path.topic, context().now())
        else:
            close_topic(connection, caller.tenant, path.topic)
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


@api.declare("PUT", "/subscriptions/<topic>", auth="user", answers={200: Subscription}, problems=[404])
def join_topic(caller: Principal, path: TopicPath) -> Subscription:
    """Subscribe the user to a topic that is open.

    The user is subscribed, not a device: what is sent to the topic reaches them on every channel. One that is not open
    does not exist for users, because its list may be nobody's business.
    """
    now = context().now()
    with write(context().engine) as connection:
        _expect_open(connection, caller, path)
        ids = upsert_users(connection, caller.tenant, [Person(caller.id)], now)
        subscribe(connection, caller.tenant, path.topic, ids, now)
    return Subscription(topic=path.topic)


@api.declare("DELETE", "/subscriptions/<topic>", auth="user", answers={200: Deleted}, problems=[404])
def leave_topic(caller: Principal, path: TopicPath) -> Deleted:
    """Unsubscribe the user from a topic that is open, if they were subscribed."""
    with write(context().engine) as connection:
        _expect_open(connection, caller, path)
        unsubscribe(connection, caller.tenant, path.topic, [caller.id])
    return Deleted()


def _expect_open(connection: Connection, caller: Principal, path: TopicPath) -> None:
    if not topic_is_open(connection, caller.tenant, path.topic):
        raise not_found("topic")
