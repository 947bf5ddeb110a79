"""Another database server takes over that was behind. What it writes after that reaches the pages that are open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from models.events.log import heads, read_after
from models.sql.engine import connect, read
from tests.bells import RecordingBells
from tests.databases import Standby
from tests.factories import NOW, create_installation, create_tenant, create_users
from tests.web.realtime.fakes import brief, heard, session
from tests.web.realtime.rows import append
from tests.web.realtime.test_replay import ROOM, TIMING, Background, welcomed
from web.dialects import view_of
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.replay.replayer import Replayer
from web.realtime.transport.wire import event_packet
from workers.relay import Relay
from workers.runtime import Runtime

VIEWS = [
    *(("/", dialect) for dialect in ("canonical", "hub", "tenant", "group", "simple", "mixed")),
    *((namespace, None) for namespace in ("/notifications", "/notification")),
]


def tick(run):
    relay = Relay(run)
    relay.tick()
    relay.wait()


@pytest.fixture
def engine(standby: Standby) -> Iterator[Engine]:
    engine = connect(standby.url)
    yield engine
    engine.dispose()


@pytest.fixture
def replayer(engine: Engine) -> Replayer:
    create_tenant(engine)
    create_users(engine, ["alice"])
    return Replayer(create_installation(engine), Sessions(), TIMING)


@pytest.fixture
def background(engine: Engine, replayer: Replayer) -> Background:
    return Background(engine, replayer)


@pytest.fixture
def relay(engine: Engine) -> Runtime:
    return Runtime(engine, {"live": {}, "test": {}}, RecordingBells(), lease=60)


def opened(replayer: Replayer, background: Background) -> list[Session]:
    """A page in each dialect, all up to date."""
    pages = [session(sid=f"{namespace} {dialect}", view=view_of(namespace, dialect)) for namespace, dialect in VIEWS]
    for page in pages:
        replayer.welcome(page)
    background.add(*pages)
    return pages


def live(page: Session, seq: int) -> list[tuple[str, int]]:
    """What the page hears of a live event with this number."""
    page.offer(ROOM, seq, [event_packet(page.namespace, "stream:data", {"seq": seq})])
    return brief(page)


@pytest.mark.slow
def test_every_open_page_is_told_to_fetch_its_state_and_hears_what_follows(
    engine, standby, replayer, background, relay
):
    append(engine, 5)
    tick(relay)
    standby.take()
    append(engine, 3)
    pages = opened(replayer, background)
    before = pages[0].progress.cursor()
    assert before.positions[ROOM] == 8
    standby.promote()
    # More than were lost, so that the head is not below the positions.
    append(engine, 4)
    for page in pages:
        heard(page)
        assert live(page, 6) == [], "the number is known"
    tick(relay)
    assert background.healer.look() == len(pages)
    for page in pages:
        [(name, resync)] = heard(page)
        assert (name, resync["complete"], resync["seq"]) == ("session:resync", False, 9)
        assert resync["epoch"] != before.epoch
    append(engine, 1)
    for page in pages:
        assert live(page, 10) == [("stream:data", 10)]
    assert background.healer.look() == 0
    # Those who come back, and those who poll.
    [(name, ready)] = heard(welcomed(replayer, positions=before.positions, epoch=before.epoch))
    assert (name, ready["complete"], ready["seq"]) == ("session:ready", False, 10)
    with read(engine) as connection:
        polled = read_after(connection, "acme", "alice", before, NOW)
        assert (polled.complete, polled.cursor) == (False, heads(connection, "acme", "alice"))


@pytest.mark.slow
def test_a_page_that_is_above_the_head_is_told_without_a_new_epoch(engine, standby, replayer, background):
    append(engine, 5)
    standby.take()
    append(engine, 3)
    pages = opened(replayer, background)
    for page in pages:
        # Beyond a gap.
        assert live(page, 10)[-1:] == [("stream:data", 10)]
    standby.promote()
    assert background.healer.look() == len(pages)
    for page in pages:
        [(name, resync)] = heard(page)
        assert (name, resync["complete"], resync["seq"]) == ("session:resync", False, 5)
    append(engine, 5)
    for page in pages:
        assert [live(page, seq) for seq in range(6, 11)] == [[("stream:data", seq)] for seq in range(6, 11)]
