"""A database that goes back to an earlier state by itself: the numbers that it assigns again belong to a new epoch."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text, update

from models.events import log, timeline
from models.events.log import epoch
from models.events.tables import meta
from models.events.timeline import follow_timeline
from models.sql.engine import connect, read, write
from tests.databases import Standby
from tests.factories import NOW, create_tenant, create_users
from tests.models.test_log import LATER, append


def epoch_of(engine: Engine) -> str:
    with read(engine) as connection:
        return epoch(connection)


@pytest.mark.slow
def test_a_standby_that_lost_the_last_events_begins_a_new_epoch(standby: Standby):
    engine = connect(standby.url)
    create_tenant(engine)
    create_users(engine, ["alice"])
    append(engine, n=5)
    assert not follow_timeline(engine)
    standby.take()
    append(engine, n=3)
    with read(engine) as connection:
        seen = log.heads(connection, "acme", "alice")
    standby.promote()
    # The numbers 6 to 8, once more.
    assert append(engine, n=3) == seen.positions["user:alice"] == 8
    assert [follow_timeline(engine), follow_timeline(engine)] == [True, False]
    assert epoch_of(engine) != seen.epoch
    with read(engine) as connection:
        replay = log.read_after(connection, "acme", "alice", seen, NOW)
    assert (replay.complete, replay.cursor.positions) == (False, {"user:alice": 8, "tenant:acme": 0})
    engine.dispose()


def test_the_epoch_goes_on_as_long_as_the_database_does(engine):
    before = epoch_of(engine)
    assert [follow_timeline(engine) for _ in range(3)] == [False] * 3
    assert epoch_of(engine) == before


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_another_cluster_is_another_epoch(engine):
    follow_timeline(engine)
    before = epoch_of(engine)
    with write(engine) as connection:
        # As in a dump of another one.
        connection.execute(update(meta).where(meta.c.name == "timeline").values(value="7712819791144260316/00000001"))
    assert follow_timeline(engine)
    assert epoch_of(engine) != before


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_every_role_may_ask_for_the_timeline(engine):
    with read(engine) as connection:
        connection.execute(text("SET LOCAL ROLE pg_signal_backend"))
        identifier, _, number = connection.scalar(timeline._PRESENT).partition("/")
    assert int(identifier) > 0
    assert number == "00000001"


def test_a_position_in_a_room_that_is_gone_is_lost(engine):
    create_tenant(engine)
    with read(engine) as connection:
        given = log.heads(connection, "acme", "alice")
        assert log.read_after(connection, "acme", "alice", given, LATER).complete
        known = log.Cursor(given.epoch, {"user:alice": 3})
        replay = log.read_after(connection, "acme", "alice", known, LATER)
    assert (replay.complete, replay.cursor.positions) == (False, {"user:alice": 0, "tenant:acme": 0})
