from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from models.events import log
from models.events.commit_order import horizon
from models.events.publishing import append_staged, stage
from models.events.tables import events
from models.rooms.names import room_is
from models.rooms.tables import rooms
from models.sql.engine import read, write
from tests.factories import NOW, create_tenant
from tests.models.rows_of_chat import LATER, create_conversation, say


@pytest.fixture(autouse=True)
def _conversations(engine):
    create_tenant(engine)
    create_conversation(engine, "c1", ["alice", "bob"])
    create_conversation(engine, "c2", ["alice"])


def marks(engine) -> list[tuple[str, int | None]]:
    with read(engine) as connection:
        rows = connection.execute(
            select(rooms.c.key, events.c.mark).join(rooms, rooms.c.id == events.c.room_id).order_by(events.c.mark)
        ).all()
    return [(row.key, row.mark) for row in rows]


def test_every_event_of_a_conversation_has_a_mark_that_rises_with_its_transaction(engine):
    with write(engine) as connection:
        say(connection, "c1", "one")
        say(connection, "c2", "two")
    with write(engine) as connection:
        log.append_and_publish(connection, rooms.c.tenant_id == "acme", "chat:message", {}, NOW, LATER)
    with write(engine) as connection:
        stage(connection, room_is("acme", "conversation:c2"), "chat:message:read", "bob", {}, NOW, LATER)
        stage(connection, room_is("acme", "tenant:acme"), "stream:data", "", {}, NOW, LATER)
    with write(engine) as connection:
        append_staged(connection, NOW + timedelta(seconds=1), 10)
    found = marks(engine)
    assert {key for key, mark in found if mark is None} == {"acme", "alice", "bob"}
    marked = [(key, mark) for key, mark in found if mark is not None]
    assert [key for key, _ in marked][-1] == "c2"
    assert len(marked) == 5
    numbers = [mark for _, mark in marked]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) >= 3


def test_what_is_below_the_horizon_is_all_there_is_below_it(engine):
    with write(engine) as connection:
        say(connection, "c1", "before")
    with read(engine) as connection:
        at = horizon(connection)
    with write(engine) as connection:
        say(connection, "c1", "after")
    assert [mark >= at for _, mark in marks(engine) if mark is not None] == [False, True]


def test_a_transaction_that_commits_late_keeps_the_horizon_low(engine):
    if engine.dialect.name == "sqlite":
        pytest.skip("it has one writer")
    with engine.connect() as slow, slow.begin():
        say(slow, "c1", "late")
        with write(engine) as connection:
            say(connection, "c2", "early")
        with read(engine) as connection:
            at = horizon(connection)
    assert all(mark >= at for _, mark in marks(engine))


def test_the_counter_does_not_fall_when_events_are_purged(engine):
    with write(engine) as connection:
        say(connection, "c1", "before")
    with read(engine) as connection:
        at = horizon(connection)
    with write(engine) as connection:
        assert log.purge(connection, NOW + timedelta(days=2), NOW, 100) > 0
    with write(engine) as connection:
        say(connection, "c1", "after")
    [(_, mark)] = marks(engine)
    assert mark >= at


def test_only_events_of_conversations_cost_a_mark(engine):
    with read(engine) as connection:
        before = horizon(connection)
    with write(engine) as connection:
        log.append(connection, "acme", "user:alice", "stream:data", {}, NOW, LATER)
    if engine.dialect.name == "sqlite":
        with read(engine) as connection:
            assert horizon(connection) == before


def test_the_audience_of_an_event_is_stored_with_it(engine):
    with write(engine) as connection:
        say(connection, "c1", "secret", audience=["bob", "alice"])
    with read(engine) as connection:
        assert connection.execute(select(events.c.audience)).scalars().all() == [["alice", "bob"]]
