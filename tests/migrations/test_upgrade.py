"""A database of version 0.1.0 is upgraded, and everything that was on its way is delivered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect, select

from models.alerts.queries import list_alerts
from models.catalogue.queries import declared
from models.channels import CHANNELS
from models.deliveries import dead_letters
from models.deliveries.dead_letters import DeadFilter
from models.deliveries.status import count_deliveries
from models.deliveries.tables import deliveries
from models.events.cursor import Cursor
from models.events.log import epoch, read_after
from models.events.tables import outbox, staged_events
from models.inbox.queries import Filter, list_items
from models.notifications.queries import find_notification
from models.sql.engine import connect, read, write
from tests.bells import RecordingBells
from tests.databases import ROOT
from tests.migrations import data_0_1_0 as data
from tests.workers.scripted import ScriptedChannel, ScriptedPublisher
from workers.deliver import deliver
from workers.publish import publish
from workers.relay import Relay
from workers.runtime import Runtime

pytestmark = pytest.mark.slow


def bring_to(engine: Engine, revision: str) -> None:
    config = Config(str(ROOT / "alembic.ini"))
    config.set_main_option("script_location", str(ROOT / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.fixture(params=["sqlite", "postgresql"])
def upgraded(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Engine]:
    """A database that version 0.1.0 made and used, at the newest revision."""
    if request.param == "sqlite":
        engine = connect(f"sqlite:///{tmp_path}/carillon.db")
        yield from _upgrade(engine)
    else:
        with request.getfixturevalue("_postgresql").empty_database() as url:
            yield from _upgrade(connect(url))


def _upgrade(engine: Engine) -> Iterator[Engine]:
    bring_to(engine, "0001")
    with write(engine) as connection:
        data.insert(connection)
    bring_to(engine, "head")
    yield engine
    engine.dispose()


@pytest.fixture
def run(upgraded: Engine) -> Runtime:
    channels = {mode: {name: ScriptedChannel(name) for name in CHANNELS} for mode in ("live", "test")}
    bells = RecordingBells()
    # Without a broker the relay does all of the work itself.
    bells.reachable = False
    return Runtime(
        engine=upgraded,
        channels=channels,
        bells=bells,
        lease=60.0,
        publisher=ScriptedPublisher(),
        now=lambda: data.NOW,
        rng=lambda: 0.5,
    )


def test_everything_that_was_on_its_way_is_delivered(upgraded: Engine, run: Runtime):
    relay = Relay(run)
    for _ in range(3):
        relay.tick()
        relay.wait()
    live: Any = run.channels["live"]
    mails = sorted(m.address for m in live["email"].sent)
    assert mails == ["alice@example.test", "alice@example.test", "carol@example.test", "dave@example.test"]
    assert [(m.address, m.content.title) for m in live["push"].sent] == [("bob-phone", "Title 2")]
    with read(upgraded) as connection:
        for id_, counts in (
            (data.ACCEPTED, {"email": {"sent": 2}, "in_app": {"sent": 2}}),
            (data.BY_TOPIC, {"in_app": {"sent": 1}, "push": {"sent": 1}}),
            (data.EXPANDED, {"email": {"sent": 3}, "in_app": {"sent": 3}, "push": {"dead": 1}}),
        ):
            found = find_notification(connection, "acme", id_)
            assert found is not None
            assert found.state == "expanded"
            assert count_deliveries(connection, id_) == counts
        assert connection.execute(select(deliveries.c.id).where(deliveries.c.due_at.is_not(None))).all() == []
        assert connection.execute(select(outbox)).all() == connection.execute(select(staged_events)).all() == []


def test_what_clients_read_is_there_and_numbered_without_gaps(upgraded: Engine, run: Runtime):
    relay = Relay(run)
    for _ in range(3):
        relay.tick()
        relay.wait()
        publish(run)
    with read(upgraded) as connection:
        start = Cursor(epoch(connection), {"user:alice": 0, "tenant:acme": 0})
        replay = read_after(connection, "acme", "alice", start, data.NOW)
        alice = [event for event in replay.events if event.room == "user:alice"]
        assert [event.seq for event in alice] == [1, 2, 3]
        assert {event.type for event in alice} == {"notification:new", "stream:data"}
        items = list_items(connection, "acme", "alice", Filter(), data.NOW)
        assert [item.content.title for item in items] == ["Title 3", "Title 1"]
        assert [alert.title for alert in list_alerts(connection, "acme", data.NOW)] == ["Disk"]
        assert [type_.name for type_ in declared(connection, "acme")] == ["invoice:paid"]
    publisher: Any = run.publisher
    assert ("acme/tenant:acme", "alert:new", 1) in publisher.heard()


def test_a_dead_letter_of_then_can_be_sent_again(upgraded: Engine, run: Runtime):
    with write(upgraded) as connection:
        assert dead_letters.redrive(connection, DeadFilter(tenant_id="acme"), data.NOW) == 1
    assert deliver(run, "push")
    live: Any = run.channels["live"]
    assert [(m.address, m.attempt) for m in live["push"].sent] == [("bob-phone", 1)]


def test_the_version_before_can_still_write_its_rows(upgraded: Engine):
    """The columns that 0.1.0 names are there, and nothing else has to be named."""
    inspector = inspect(upgraded)
    for table, rows in data.ROWS.items():
        columns = {column["name"]: column for column in inspector.get_columns(table)}
        named = set(rows[0])
        assert named <= set(columns), table
        required = {n for n, c in columns.items() if not c["nullable"] and c.get("default") is None}
        assert required <= named | {"id"}, table
