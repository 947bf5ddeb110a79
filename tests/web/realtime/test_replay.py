"""Replays of single connections, against both databases and without processes."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from models.events.cursor import Cursor
from models.events.log import REPLAY_PAGE, heads_of, new_epoch
from models.sql.engine import UNAVAILABLE, connect, write
from tests import factories
from tests.web.realtime.fakes import FakeServer, brief, heard, session
from tests.web.realtime.rows import append
from web.realtime.gateway.janitor import Janitor
from web.realtime.gateway.sessions import Session, Sessions
from web.realtime.limits import LOW_BACKLOG, MAX_BACKLOG
from web.realtime.replay.healer import Healer
from web.realtime.replay.progress import ResumeRequest
from web.realtime.replay.replayer import Replayer
from web.realtime.timing import Timing
from web.realtime.transport.wire import event_packet

TIMING = Timing(grace=0.01)
ROOM = "user:alice"


@pytest.fixture
def replayer(engine: Engine) -> Replayer:
    factories.create_tenant(engine)
    factories.create_users(engine, ["alice", "bob"])
    return Replayer(factories.create_installation(engine), Sessions(), TIMING)


def welcomed(replayer: Replayer, user: str = "alice", **wish: Any) -> Session:
    one = session(user, **wish)
    replayer.welcome(one)
    return one


def test_the_greeting_comes_after_what_was_missed(engine: Engine, replayer: Replayer):
    append(engine, 3)
    append(engine, 1, "tenant:acme")
    events = heard(welcomed(replayer, positions={ROOM: 1, "tenant:acme": 0, "user:bob": 0}))
    assert [(name, data.get("room"), data["seq"]) for name, data in events] == [
        ("stream:data", ROOM, 2),
        ("stream:data", ROOM, 3),
        ("stream:data", "tenant:acme", 1),
        ("session:ready", None, 3),
    ]
    ready = events[-1][1]
    assert ready["positions"] == {ROOM: 3, "tenant:acme": 1}
    assert Cursor.decode(ready["cursor"]).positions == ready["positions"]
    assert (ready["user"], ready["tenant"], ready["rooms"]) == ("alice", "acme", [ROOM, "tenant:acme"])
    assert (ready["replayed"], ready["complete"], ready["more"]) == (3, True, False)
    assert 500 <= ready["reconnect_after_ms"] <= 5000


def test_a_greeting_is_given_once(replayer: Replayer):
    one = welcomed(replayer)
    assert replayer.welcome(one) is None
    assert brief(one) == [("session:ready", 0)]


def test_live_events_wait_for_the_greeting(engine: Engine, replayer: Replayer, monkeypatch: pytest.MonkeyPatch):
    one = session(positions={ROOM: 0})
    read_pages = []
    read = Replayer._read

    def read_and_publish_meanwhile(self: Replayer, _: Session) -> Any:
        page = read(self, one)
        read_pages.append(page)
        if len(read_pages) < 4:
            assert not one.offer(ROOM, append(engine)[0], [event_packet("/", "live", {})])
        return page

    append(engine)
    monkeypatch.setattr(Replayer, "_read", read_and_publish_meanwhile)
    replayer.welcome(one)
    assert brief(one) == [*(("stream:data", seq) for seq in range(1, 5)), ("session:ready", 4)]
    assert one.offer(ROOM, append(engine)[0], [event_packet("/", "live", {"seq": 5})])
    assert brief(one) == [("live", 5)]


def test_holes_are_told(engine: Engine, replayer: Replayer):
    append(engine, 1)
    append(engine, 2, lifetime=-1)
    append(engine, 1)
    append(engine, 1, lifetime=-1)
    events = heard(welcomed(replayer, positions={ROOM: 0}))
    assert [(name, data.get("from"), data["seq"]) for name, data in events] == [
        ("stream:data", None, 1),
        ("event:skipped", 2, 3),
        ("stream:data", None, 4),
        ("event:skipped", 5, 5),
        ("session:ready", None, 5),
    ]
    assert events[-1][1]["replayed"] == 2


def test_an_unreadable_wish_is_an_incomplete_replay(engine: Engine, replayer: Replayer):
    append(engine, 3)
    for wish in ({"lost": True}, {"positions": {ROOM: 4}}, {"positions": {ROOM: 1}, "epoch": "another"}):
        [(name, ready)] = heard(welcomed(replayer, **wish))
        assert (name, ready["complete"], ready["seq"], ready["replayed"]) == ("session:ready", False, 3, 0)


def test_pages(engine: Engine, replayer: Replayer):
    append(engine, 2 * REPLAY_PAGE + 1)
    one = welcomed(replayer, positions={ROOM: 0})
    [*_, (name, seq)] = brief(one)
    assert (name, seq) == ("session:ready", REPLAY_PAGE)
    assert not one.progress.live
    before = time.monotonic()
    assert before < one.resume_at <= before + TIMING.paging
    served, answer = replayer.next_page(one, None)
    assert (served.more, answer["seq"], answer["replayed"]) == (True, 2 * REPLAY_PAGE, REPLAY_PAGE)
    served, answer = replayer.next_page(one, ResumeRequest("", {ROOM: 2 * REPLAY_PAGE - 1}))
    assert (served.more, answer["replayed"], answer["complete"]) == (False, 2, True)
    assert one.progress.live
    assert [seq for _, seq in brief(one)] == [
        *range(REPLAY_PAGE + 1, 2 * REPLAY_PAGE + 1),
        2 * REPLAY_PAGE,
        2 * REPLAY_PAGE + 1,
    ]


def test_a_client_that_does_not_read_gets_no_more_pages(engine: Engine, replayer: Replayer):
    one = welcomed(replayer)
    append(engine, 1)
    for _ in range(MAX_BACKLOG):
        one.put(event_packet("/", "filling", {}))
    assert replayer.heal(one).more
    assert not one.progress.live
    assert one.resume_at <= time.monotonic() + TIMING.tick
    heard(one)
    assert replayer.heal(one).replayed == 1
    assert one.progress.live


def test_while_the_database_is_away_nothing_is_lost(
    engine: Engine, replayer: Replayer, monkeypatch: pytest.MonkeyPatch
):
    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("SELECT", {}, Exception("away"))

    append(engine)
    one = session(positions={ROOM: 0})
    with monkeypatch.context() as patch:
        patch.setattr("web.realtime.replay.replayer.rooms_of", away)
        with pytest.raises(UNAVAILABLE):
            replayer.welcome(one)
    assert not one.ready
    assert one.resume_at <= time.monotonic() + TIMING.retry
    with monkeypatch.context() as patch:
        patch.setattr("web.realtime.replay.replayer.read_rooms", away)
        with pytest.raises(UNAVAILABLE):
            replayer.welcome(one)
    assert not one.offer(ROOM, 2, [event_packet("/", "stream:data", {})])
    append(engine)
    replayer.welcome(one)
    assert brief(one) == [("stream:data", 1), ("stream:data", 2), ("session:ready", 2)]


# What happens by itself


class Background:
    """The background work of a process, with hands to do it."""

    def __init__(self, engine: Engine, replayer: Replayer) -> None:
        self.sessions = Sessions()
        self.server = FakeServer()
        self.closed: list[tuple[str, str]] = []
        self.healer = Healer(engine, self.sessions, replayer, TIMING)
        self.keeper = Janitor(self.server, self.sessions, self.healer, self._close, TIMING)

    def _close(self, one: Session, code: str, _: str) -> None:
        self.closed.append((one.sid, code))

    def add(self, *sessions: Session) -> None:
        for one in sessions:
            self.sessions.add(one)
            self.server.sockets[one.sid] = one.socket

    def tick(self, later: float = 0.0) -> list[Session | None]:
        """Let the keeper look around; returns whom it asked to be served."""
        self.keeper.tick(time.monotonic() + later, datetime.now(UTC) + timedelta(seconds=later))
        asked = []
        while not self.healer._queue.empty():
            asked.append(self.healer._queue.get())
        return asked


@pytest.fixture
def background(engine: Engine, replayer: Replayer) -> Background:
    return Background(engine, replayer)


def test_whoever_is_behind_is_healed(engine: Engine, replayer: Replayer, background: Background):
    alice, bob = welcomed(replayer), welcomed(replayer, "bob")
    background.add(alice, bob)
    heard(alice), heard(bob)
    assert background.healer.look() == 0
    append(engine, 2)
    assert background.healer.look() == 1
    assert (brief(alice), brief(bob)) == ([("stream:data", 1), ("stream:data", 2)], [])
    append(engine, 1, "tenant:acme")
    assert background.healer.look() == 2
    assert brief(alice) == brief(bob) == [("stream:data", 1)]
    assert background.healer.look() == 0


def test_what_arrives_meanwhile_is_not_healed(engine: Engine, replayer: Replayer, background: Background):
    alice = welcomed(replayer)
    background.add(alice)
    append(engine)
    packet = event_packet("/", "stream:data", {"seq": 1})
    arrival = threading.Timer(0.1, alice.offer, (ROOM, 1, [packet]))
    patient = Healer(engine, background.sessions, replayer, Timing(grace=0.4))
    arrival.start()
    assert patient.look() == 0
    assert brief(alice) == [("session:ready", 0), ("stream:data", 1)]


def test_what_arrives_while_the_heads_are_read_is_not_above_them(
    engine: Engine, replayer: Replayer, background: Background, monkeypatch: pytest.MonkeyPatch
):
    alice = welcomed(replayer)
    background.add(alice)

    def and_one_more(connection: Any, wanted: Any) -> Any:
        found = heads_of(connection, wanted)
        assert alice.offer(ROOM, 1, [event_packet("/", "stream:data", {"seq": 1})])
        return found

    monkeypatch.setattr("web.realtime.replay.healer.heads_of", and_one_more)
    assert background.healer.look() == 0
    assert brief(alice) == [("session:ready", 0), ("stream:data", 1)]


def test_another_incarnation_is_told(engine: Engine, replayer: Replayer, background: Background):
    append(engine, 3)
    alice = welcomed(replayer)
    background.add(alice)
    heard(alice)
    with write(engine) as connection:
        epoch = new_epoch(connection)
    assert background.healer.look() == 1
    [(name, resync)] = heard(alice)
    assert (name, resync["epoch"], resync["complete"], resync["seq"]) == ("session:resync", epoch, False, 3)
    assert background.healer.look() == 0


def test_many_rooms_are_asked_for_in_batches(engine: Engine, replayer: Replayer, background: Background):
    epoch = welcomed(replayer).progress.epoch
    factories.create_users(engine, ["user-500"])
    for number in range(1100):
        one = session(f"user-{number}")
        one.ready = True
        one.progress.start(epoch, {})
        one.progress.release()
        background.add(one)
    append(engine, 1, "user:user-500")
    assert background.healer.look() == 1


def test_whoever_waits_is_served_again(engine: Engine, replayer: Replayer, background: Background):
    waiting = session(positions={ROOM: 0})
    background.add(waiting)
    append(engine)
    assert background.tick() == [waiting]
    assert background.tick() == [], "it was asked for already"
    background.healer.serve(waiting)
    assert brief(waiting) == [("stream:data", 1), ("session:ready", 1)]
    assert background.tick(100) == []


def test_a_gap_that_stays_is_looked_after(engine: Engine, replayer: Replayer, background: Background):
    alice = welcomed(replayer)
    background.add(alice)
    append(engine, 3)
    alice.offer(ROOM, 3, [event_packet("/", "stream:data", {"seq": 3})])
    assert background.tick() == []
    assert background.tick(TIMING.gap + 1) == [alice]
    background.healer.serve(alice)
    assert brief(alice) == [("session:ready", 0), ("stream:data", 3), ("stream:data", 1), ("stream:data", 2)]


def test_a_slow_client_is_served_when_it_has_read(engine: Engine, replayer: Replayer, background: Background):
    alice = welcomed(replayer)
    background.add(alice)
    for seq in append(engine, MAX_BACKLOG + 2):
        alice.offer(ROOM, seq, [event_packet("/", "stream:data", {"seq": seq})])
    assert background.tick() == []
    while alice.backlog() > LOW_BACKLOG:
        alice.socket.queue.get()
    assert background.tick() == [alice]
    heard(alice)
    background.healer.serve(alice)
    assert [seq for _, seq in brief(alice)] == [MAX_BACKLOG + 1, MAX_BACKLOG + 2]
    assert alice.progress.live


def test_tokens_expire(replayer: Replayer, background: Background):
    alice = welcomed(replayer)
    background.add(alice)
    heard(alice)
    background.tick(230)
    assert heard(alice) == []
    background.tick(245)
    background.tick(246)
    [(name, expiring)] = heard(alice)
    assert name == "session:expiring"
    assert 50 <= expiring["expires_in"] <= 60
    assert background.closed == []
    background.tick(301)
    assert background.closed == [("sid-alice", "token_expired")]


def test_connections_that_nobody_reports_are_forgotten(replayer: Replayer, background: Background):
    alice = welcomed(replayer)
    background.add(alice)
    alice.socket.closed = True
    background.tick()
    assert background.sessions.all() == []
    assert background.server.forgotten == ["sid-alice"]


def test_strangers_are_closed(replayer: Replayer, background: Background):
    alice, stranger = welcomed(replayer), session("stranger")
    background.add(alice)
    background.server.sockets["stranger"] = stranger.socket
    background.tick()
    background.tick(TIMING.handshake - 1)
    assert not stranger.socket.closed
    background.tick(TIMING.handshake + 1)
    assert stranger.socket.closed
    assert not alice.socket.closed


def test_a_database_that_is_away_ends_no_background_work(background: Background, replayer: Replayer, tmp_path: Any):
    alice = session()
    background.add(alice)
    away = Replayer(
        factories.create_installation(connect(f"sqlite:///{tmp_path}/nowhere/nothing.db")), Sessions(), TIMING
    )
    healer = Healer(away._engine, background.sessions, away, TIMING)
    healer.serve(alice)
    assert not alice.ready
    assert alice.resume_at <= time.monotonic() + TIMING.retry
    alice.resume_at = 0
    background.tick()
    background.healer.serve(alice)
    assert alice.ready
