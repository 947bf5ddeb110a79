"""The inbox against a model of it: whatever people do, in any order, every count is that of a recount."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from models.events import log
from models.inbox import queries as inbox
from models.inbox.changes import ARCHIVE, DELETE, READ, SEEN, UNARCHIVE, UNREAD, change_items, change_page
from models.inbox.queries import Counts, Filter
from models.notifications.recall import recall
from models.sql.engine import read, write
from tests.factories import NOW, accept_one, create_tenant, create_users, expand_all

USERS = ("alice", "bob")
CATEGORIES = (None, "billing", "social")
OPERATIONS = (SEEN, READ, UNREAD, ARCHIVE, UNARCHIVE, DELETE)
PAGED = (SEEN, READ, DELETE)

users = st.sampled_from(USERS)
categories = st.sampled_from(CATEGORIES)


@dataclass
class Kept:
    """What the model knows of one item."""

    id: UUID
    category: str | None
    expires_at: datetime
    seen: bool = False
    read: bool = False
    archived: bool = False
    deleted: bool = False

    def do(self, operation) -> None:
        if operation.column == "seen_at":
            self.seen = True
            return
        setattr(self, operation.column.removesuffix("_at"), not operation.clears)
        self.seen = True

    def done(self, operation) -> bool:
        return getattr(self, operation.column.removesuffix("_at")) is not operation.clears

    def shown(self, now: datetime) -> bool:
        return self.there(now) and not self.archived

    def there(self, now: datetime) -> bool:
        return not self.deleted and self.expires_at > now


class Inbox(RuleBasedStateMachine):
    tenants = count(1)

    def __init__(self, engine) -> None:
        super().__init__()
        self.engine = engine

    @initialize()
    def begin(self) -> None:
        self.tenant = f"t{next(self.tenants)}"
        self.now = NOW
        self.kept: dict[str, list[Kept]] = {user: [] for user in USERS}
        # Of each user: how many events the log has, and the counts heard last.
        self.events = dict.fromkeys(USERS, 0)
        self.known: list[UUID] = [uuid4()]
        create_tenant(self.engine, self.tenant)
        create_users(self.engine, USERS, tenant=self.tenant)
        for category in CATEGORIES:
            self.notify(USERS, category, hours=3)

    @rule(to=st.sampled_from([USERS, *[(user,) for user in USERS]]), category=categories, hours=st.integers(1, 5))
    def notify(self, to, category, hours) -> None:
        expires_at = self.now + timedelta(hours=hours)
        audience = {"users": [{"id": user} for user in to]}
        n = accept_one(
            self.engine, self.now, tenant_id=self.tenant, audience=audience, category=category, expires_at=expires_at
        )
        expand_all(self.engine, n, self.now)
        self.known.append(n)
        for user in to:
            self.kept[user].append(Kept(n, category, expires_at))
            self.events[user] += 1

    @rule()
    def an_hour_passes(self) -> None:
        self.now += timedelta(hours=1)

    @rule(data=st.data(), user=users, operation=st.sampled_from(OPERATIONS))
    def change(self, data, user, operation) -> None:
        ids = data.draw(st.lists(st.sampled_from(self.known), unique=True, min_size=1, max_size=4))
        meant = [k for k in self.kept[user] if k.id in ids and k.there(self.now) and not k.done(operation)]
        with write(self.engine) as connection:
            changed = change_items(connection, self.tenant, user, operation, ids, self.now)
        self.hear(user, operation, changed, meant)

    @rule(
        data=st.data(),
        user=users,
        operation=st.sampled_from(PAGED),
        category=categories,
        status=st.sampled_from(["all", "unread", "read", "archived"]),
        limit=st.integers(1, 3),
    )
    def page(self, data, user, operation, category, status, limit) -> None:
        up_to = data.draw(st.none() | st.sampled_from(self.known[1:] or [None]))
        which = Filter(status, category, up_to=up_to)
        fits = {
            "all": lambda k: not k.archived,
            "unread": lambda k: not k.archived and not k.read,
            "read": lambda k: not k.archived and k.read,
            "archived": lambda k: k.archived,
        }[status]
        meant = [
            k
            for k in self.kept[user]
            if k.there(self.now)
            and not k.done(operation)
            and fits(k)
            and category in (None, k.category)
            and (up_to is None or k.id <= up_to)
        ][:limit]
        with write(self.engine) as connection:
            changed = change_page(connection, self.tenant, user, operation, which, self.now, limit)
        assert changed.more == (len(meant) == limit)
        self.hear(user, operation, changed, meant)

    @rule(data=st.data())
    def take_back(self, data) -> None:
        n = data.draw(st.sampled_from(self.known))
        with write(self.engine) as connection:
            begun = recall(connection, self.tenant, n, self.now)
        if begun:
            expand_all(self.engine, n, self.now)
            for user in USERS:
                for k in self.kept[user]:
                    if k.id == n:
                        k.deleted = True
                        self.events[user] += 1

    def hear(self, user, operation, changed, meant) -> None:
        assert changed.ids == [k.id for k in reversed(meant)]
        for k in meant:
            k.do(operation)
        if meant:
            assert changed.counts == self.recount(user)
            self.events[user] += 2

    def recount(self, user) -> Counts:
        shown = [k for k in self.kept[user] if k.shown(self.now)]
        unread = [k for k in shown if not k.read]
        return Counts(len(unread), sum(not k.seen for k in unread), len(shown))

    @invariant()
    def counts_are_those_of_a_recount(self) -> None:
        with read(self.engine) as connection:
            found = inbox.counts_for(connection, self.tenant, USERS, self.now)
            heads = {user: log.heads(connection, self.tenant, user).positions[f"user:{user}"] for user in USERS}
            listed = {
                user: inbox.list_items(connection, self.tenant, user, Filter(), self.now, limit=100) for user in USERS
            }
        for user in USERS:
            assert found[user] == self.recount(user)
            assert heads[user] == self.events[user]
            shown = [k for k in reversed(self.kept[user]) if k.shown(self.now)]
            assert [
                (UUID(i.content.notification_id), i.seen_at is not None, i.read_at is not None) for i in listed[user]
            ] == [(k.id, k.seen, k.read) for k in shown]


@pytest.mark.slow
def test_every_count_is_that_of_a_recount(engine):
    run_state_machine_as_test(
        lambda: Inbox(engine),
        settings=settings(
            max_examples=100,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
