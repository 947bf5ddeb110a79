"""Topics: lists of users, and which of them users may join by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, Table, delete, exists, func, select, union

from models.sql.locks import hold_rows
from models.sql.statements import in_ids, insert_ignore
from models.topics.tables import open_topics, subscriptions
from models.users.tables import users


def subscribe(connection: Connection, tenant_id: str, topic: str, user_ids: Sequence[int], now: datetime) -> None:
    """Subscribe the users to the topic."""
    if user_ids:
        connection.execute(
            insert_ignore(connection, subscriptions),
            [{"tenant_id": tenant_id, "topic": topic, "user_id": u, "created_at": now} for u in user_ids],
        )


def unsubscribe(connection: Connection, tenant_id: str, topic: str, external_ids: Sequence[str]) -> int:
    """Unsubscribe the users from the topic. Returns how many were subscribed."""
    members = hold_rows(connection, users, users.c.tenant_id == tenant_id, users.c.external_id.in_(external_ids))
    return connection.execute(
        delete(subscriptions).where(
            subscriptions.c.tenant_id == tenant_id,
            subscriptions.c.topic == topic,
            in_ids(connection, subscriptions.c.user_id, members),
        )
    ).rowcount


def open_topic(connection: Connection, tenant_id: str, topic: str, now: datetime) -> None:
    """Let users subscribe to the topic and unsubscribe by themselves."""
    connection.execute(insert_ignore(connection, open_topics).values(tenant_id=tenant_id, topic=topic, created_at=now))


def close_topic(connection: Connection, tenant_id: str, topic: str) -> None:
    """Let services alone change the subscriptions of the topic. Existing subscriptions stay."""
    this = (open_topics.c.tenant_id == tenant_id, open_topics.c.topic == topic)
    connection.execute(delete(open_topics).where(*this))


def topic_is_open(connection: Connection, tenant_id: str, topic: str) -> bool:
    """Whether users can subscribe to the topic by themselves."""
    this = (open_topics.c.tenant_id == tenant_id, open_topics.c.topic == topic)
    return connection.execute(select(open_topics.c.topic).where(*this)).first() is not None


def topic_exists(connection: Connection, tenant_id: str, topic: str) -> bool:
    """Whether the topic has a subscriber, or users can subscribe to it."""
    this = (subscriptions.c.tenant_id == tenant_id, subscriptions.c.topic == topic)
    found = connection.execute(select(subscriptions.c.topic).where(*this).limit(1)).first()
    return found is not None or topic_is_open(connection, tenant_id, topic)


def count_members(connection: Connection, tenant_id: str, topic: str, most: int) -> int:
    """How many users are subscribed to the topic, counted up to `most`."""
    this = (subscriptions.c.tenant_id == tenant_id, subscriptions.c.topic == topic)
    some = select(subscriptions.c.user_id).where(*this).limit(most).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()


def count_topics(connection: Connection, tenant_id: str, most: int) -> int:
    """How many topics have subscribers or are open, counted up to `most`."""
    names = union(
        _names(subscriptions, tenant_id, most), select(open_topics.c.topic).where(open_topics.c.tenant_id == tenant_id)
    ).subquery()
    return connection.execute(select(func.count()).select_from(select(names).limit(most).subquery())).scalar_one()


def _names(table: Table, tenant_id: str, most: int) -> Select[Any]:
    """The different topics of a table, each found by one look at the index: DISTINCT would read every row."""
    of_tenant = table.c.tenant_id == tenant_id
    found = select(func.min(table.c.topic).label("topic")).where(of_tenant).cte(recursive=True)
    following = select(func.min(table.c.topic)).where(of_tenant, table.c.topic > found.c.topic).scalar_subquery()
    found = found.union_all(select(following).where(found.c.topic.is_not(None)))
    some = select(found.c.topic).where(found.c.topic.is_not(None)).limit(most).subquery()
    return select(some.c.topic)


def list_subscriptions(
    connection: Connection, tenant_id: str, external_id: str, *, after: str = "", limit: int = 100
) -> Sequence[str]:
    """The topics that the user is subscribed to, by name, after `after`."""
    return (
        connection.execute(
            select(subscriptions.c.topic)
            .join(users, users.c.id == subscriptions.c.user_id)
            .where(users.c.tenant_id == tenant_id, users.c.external_id == external_id, subscriptions.c.topic > after)
            .order_by(subscriptions.c.topic)
            .limit(limit)
        )
        .scalars()
        .all()
    )


class TopicSize(NamedTuple):
    """A topic and the number of its subscribers."""

    topic: str
    members: int
    open: bool


def list_topics(connection: Connection, tenant_id: str, *, after: str = "", limit: int = 100) -> list[TopicSize]:
    """The tenant's topics that have subscribers or are open, by name, after `after`."""
    of_tenant = [table.c.tenant_id == tenant_id for table in (subscriptions, open_topics)]
    names = union(
        select(subscriptions.c.topic).where(of_tenant[0], subscriptions.c.topic > after),
        select(open_topics.c.topic).where(of_tenant[1], open_topics.c.topic > after),
    ).subquery()
    members = (
        select(func.count())
        .where(subscriptions.c.tenant_id == tenant_id, subscriptions.c.topic == names.c.topic)
        .scalar_subquery()
    )
    is_open = exists().where(open_topics.c.tenant_id == tenant_id, open_topics.c.topic == names.c.topic)
    rows = connection.execute(select(names.c.topic, members, is_open).order_by(names.c.topic).limit(limit))
    return [TopicSize(topic, number, bool(opened)) for topic, number, opened in rows]


def list_members(
    connection: Connection, tenant_id: str, topic: str, *, after: str = "", limit: int = 100
) -> Sequence[str]:
    """The users who are subscribed to the topic, by their ids, after `after`."""
    return (
        connection.execute(
            select(users.c.external_id)
            .join(subscriptions, subscriptions.c.user_id == users.c.id)
            .where(subscriptions.c.tenant_id == tenant_id, subscriptions.c.topic == topic, users.c.external_id > after)
            .order_by(users.c.external_id)
            .limit(limit)
        )
        .scalars()
        .all()
    )
