from __future__ import annotations

import base64
import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.events import log
from models.events.cursor import Cursor
from models.events.log import REPLAY_PAGE, new_epoch, read_after
from models.events.tables import events
from models.sql.engine import read, write
from tests.factories import NOW, accept_one, create_tenant, create_users, expand_all

LATER = NOW + timedelta(days=1)


def append(engine, room="user:alice", n=1, expires_at=LATER, now=NOW) -> int:
    with write(engine) as connection:
        for i in range(n):
            seq = log.append(connection, "acme", room, "stream:data", {"n": i}, now, expires_at)
    return seq


def replay(engine, positions, *, user="alice", now=NOW, epoch=None, limit=REPLAY_PAGE):
    with read(engine) as connection:
        cursor = Cursor(epoch or log.epoch(connection), positions)
        return read_after(connection, "acme", user, cursor, now, limit)


@pytest.fixture
def room(engine):
    create_tenant(engine)
    create_users(engine, ["alice", "bob"])


def test_numbers_start_at_one_in_each_room(engine, room):
    assert [append(engine), append(engine), append(engine, "user:bob"), append(engine, "tenant:acme")] == [1, 2, 1, 1]


def test_a_room_that_is_not_there_is_an_error(engine, room):
    with pytest.raises(LookupError), write(engine) as connection:
        log.append(connection, "acme", "user:nobody", "stream:data", {}, NOW, LATER)
    with pytest.raises(LookupError), write(engine) as connection:
        log.append(connection, "umbrella", "user:alice", "stream:data", {}, NOW, LATER)


def test_a_client_gets_what_it_has_missed_in_order(engine, room):
    append(engine, n=5)
    result = replay(engine, {"user:alice": 2})
    assert [e.seq for e in result.events] == [3, 4, 5]
    assert (result.complete, result.more, result.cursor.positions) == (
        True,
        False,
        {"user:alice": 5, "tenant:acme": 0},
    )
    assert replay(engine, result.cursor.positions).events == []


def test_a_long_absence_comes_in_pages(engine, room):
    append(engine, n=7)
    append(engine, "tenant:acme", n=4)
    positions, seen = {"user:alice": 0, "tenant:acme": 0}, []
    for _ in range(10):
        page = replay(engine, positions, limit=3)
        assert len(page.events) <= 3
        seen += [(e.room, e.seq) for e in page.events]
        positions = page.cursor.positions
        if not page.more:
            break
    assert seen == [("user:alice", i) for i in range(1, 8)] + [("tenant:acme", i) for i in range(1, 5)]


def test_a_room_new_to_the_client_begins_at_its_head(engine, room):
    append(engine, "tenant:acme", n=3)
    result = replay(engine, {"user:alice": 0})
    assert result.events == []
    assert result.cursor.positions == {"user:alice": 0, "tenant:acme": 3}


def test_an_event_that_expired_is_passed_over_and_nothing_is_missing(engine, room):
    append(engine, expires_at=NOW + timedelta(seconds=1))
    append(engine)
    result = replay(engine, {"user:alice": 0}, now=NOW + timedelta(seconds=2))
    assert [e.seq for e in result.events] == [2]
    assert result.complete


@pytest.mark.parametrize("positions", [{"user:alice": 99}])
def test_a_position_ahead_of_the_log_means_another_log(engine, room, positions):
    append(engine, n=3)
    result = replay(engine, positions)
    assert (result.complete, result.events, result.cursor.positions) == (
        False,
        [],
        {"user:alice": 3, "tenant:acme": 0},
    )


def test_another_epoch_means_another_log(engine, room):
    append(engine, n=3)
    with write(engine) as connection:
        before = log.epoch(connection)
        assert new_epoch(connection) != before
    result = replay(engine, {"user:alice": 3}, epoch=before)
    assert not result.complete
    assert result.cursor.epoch != before


def test_history_cut_off_by_the_horizon_is_reported_as_gone(engine, room):
    append(engine, n=2, now=NOW - timedelta(days=40), expires_at=NOW + timedelta(days=400))
    append(engine, n=1)
    with write(engine) as connection:
        assert log.purge(connection, NOW, NOW - timedelta(days=30), 100) == 2
        assert log.purge(connection, NOW, NOW - timedelta(days=30), 100) == 0
    assert not replay(engine, {"user:alice": 1}).complete
    assert [e.seq for e in replay(engine, {"user:alice": 2}).events] == [3]


def test_purging_what_expired_leaves_a_complete_history(engine, room):
    append(engine, n=2, expires_at=NOW + timedelta(seconds=1))
    append(engine, n=1)
    with write(engine) as connection:
        log.purge(connection, NOW + timedelta(seconds=2), NOW - timedelta(days=30), 100)
        assert len(connection.execute(events.select()).all()) == 1
    result = replay(engine, {"user:alice": 0}, now=NOW + timedelta(seconds=2))
    assert ([e.seq for e in result.events], result.complete) == ([3], True)


def test_an_event_about_a_notification_carries_its_content(engine, room):
    expand_all(engine, accept_one(engine))
    [event] = replay(engine, {"user:alice": 0}).events
    assert event.content is not None
    assert (event.type, event.content.title, event.withdrawn) == ("notification:new", "Hello", False)


def test_a_reader_never_sees_a_number_before_the_one_below_it(engine, room):
    done = threading.Event()
    failures: list[list[int]] = []

    def look() -> None:
        while not done.is_set():
            seqs = [e.seq for e in replay(engine, {"user:alice": 0}).events]
            if seqs != list(range(1, len(seqs) + 1)):
                failures.append(seqs)

    def work(k: int) -> None:
        for i in range(10):
            try:
                with write(engine) as connection:
                    log.append(connection, "acme", "user:alice", "stream:data", {}, NOW, LATER)
                    if (i + k) % 4 == 0:
                        raise RuntimeError
            except RuntimeError:
                pass

    reader = threading.Thread(target=look)
    reader.start()
    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    done.set()
    reader.join()
    assert failures == []
    seqs = [e.seq for e in replay(engine, {"user:alice": 0}).events]
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) == 30


@given(st.text(max_size=8), st.dictionaries(st.text(max_size=20), st.integers(0, 2**63 - 1), max_size=4))
def test_a_cursor_survives_the_journey(epoch, positions):
    cursor = Cursor(epoch, positions)
    assert Cursor.decode(cursor.encode()) == cursor


def token(plain: str) -> str:
    return base64.urlsafe_b64encode(plain.encode()).decode()


@pytest.mark.parametrize(
    "garbage",
    [
        *("", "x", "ü", "\udfff", "AAAA", "!!!!"),
        *(token(t) for t in ("[]", "[1,{}]", '["e",[]]', '["e",{"r":-1}]', '["e",{"r":true}]', '["e",{"r":1e309}]')),
        token('["e",{"r":9223372036854775808}]'),
        token("[" * 9999),
    ],
)
def test_a_token_that_is_none_of_ours_is_refused(garbage):
    with pytest.raises(ValueError, match="not a cursor"):
        Cursor.decode(garbage)
