"""Change who is subscribed to a topic, and whether users can subscribe by themselves."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from actions.audit import record
from actions.installation import Installation
from actions.principal import Principal, require_live
from actions.problems import not_found
from actions.users import CHANGE
from models.sql.engine import write
from models.topics import queries as topics
from models.users.queries import Person, upsert_users


def add_members(installation: Installation, caller: Principal, topic: str, users: Sequence[str]) -> int:
    """Subscribe users, created if need be. Returns how many different users were named. Raises Problem (403, 409)."""
    require_live(caller, CHANGE)
    now = installation.now()
    with write(installation.engine) as connection:
        installation.quotas.require_topic(connection, caller.tenant, topic)
        installation.quotas.require_users(connection, caller.tenant, users)
        ids = upsert_users(connection, caller.tenant, map(Person, users), now)
        topics.subscribe(connection, caller.tenant, topic, ids, now)
    return len(ids)


def remove_members(installation: Installation, caller: Principal, topic: str, users: Sequence[str]) -> int:
    """Unsubscribe users. Returns how many were subscribed. Raises Problem (403)."""
    require_live(caller, CHANGE)
    with write(installation.engine) as connection:
        return topics.unsubscribe(connection, caller.tenant, topic, users)


def set_open(installation: Installation, caller: Principal, topic: str, is_open: bool) -> None:
    """Let users subscribe by themselves, or not. Subscriptions stay as they are. Raises Problem (403, 409)."""
    require_live(caller, CHANGE)
    with write(installation.engine) as connection:
        if is_open:
            installation.quotas.require_topic(connection, caller.tenant, topic)
            topics.open_topic(connection, caller.tenant, topic, installation.now())
        else:
            topics.close_topic(connection, caller.tenant, topic)
        record(connection, installation, caller, "topic.open" if is_open else "topic.close", topic)


def join(installation: Installation, caller: Principal, topic: str) -> None:
    """Subscribe the user who asks to a topic that is open. Raises Problem (404, 409)."""
    now = installation.now()
    with write(installation.engine) as connection:
        _require_open(connection, caller, topic)
        installation.quotas.require_users(connection, caller.tenant, [caller.id])
        ids = upsert_users(connection, caller.tenant, [Person(caller.id)], now)
        topics.subscribe(connection, caller.tenant, topic, ids, now)


def leave(installation: Installation, caller: Principal, topic: str) -> None:
    """Unsubscribe the user who asks from a topic that is open. Raises Problem (404)."""
    with write(installation.engine) as connection:
        _require_open(connection, caller, topic)
        topics.unsubscribe(connection, caller.tenant, topic, [caller.id])


def _require_open(connection: Connection, caller: Principal, topic: str) -> None:
    # A topic that is not open does not exist for users: its name may be confidential.
    if not topics.topic_is_open(connection, caller.tenant, topic):
        raise not_found("topic")
