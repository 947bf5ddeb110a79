from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from models.events import log
from models.events import publishing as outbox
from models.rooms.names import room_is
from models.sql.engine import read, write
from tests.factories import NOW, create_tenant, create_users

LATER = NOW + timedelta(hours=1)
RETRY = NOW + timedelta(seconds=10)


@pytest.fixture
def room(engine):
    create_tenant(engine)
    create_users(engine, ["alice", "bob"])


def stage(engine, key, n, due=NOW, room="user:alice"):
    with write(engine) as connection:
        return outbox.stage(connection, room_is("acme", room), "stream:data", key, {"n": n}, due, LATER)


def take(engine, now=NOW, limit=100):
    with write(engine) as connection:
        return outbox.take_unpublished(connection, now, RETRY, limit)


def test_an_appended_event_waits_to_be_published(engine, room):
    with write(engine) as connection:
        log.append(connection, "acme", "user:alice", "alert:new", {"id": "1"}, NOW, LATER)
    [u] = take(engine)
    assert (u.tenant, u.event.room, u.event.seq, u.event.type, u.event.data) == (
        "acme",
        "user:alice",
        1,
        "alert:new",
        {"id": "1"},
    )
    assert take(engine) == []


def test_what_was_taken_by_a_process_that_died_is_due_again(engine, room):
    with write(engine) as connection:
        log.append(connection, "acme", "tenant:acme", "alert:new", {}, NOW, LATER)
    [first] = take(engine)
    [again] = take(engine, now=RETRY)
    assert again.outbox_id == first.outbox_id
    with write(engine) as connection:
        outbox.forget_published(connection, [again.outbox_id])
    assert take(engine, now=LATER) == []


def test_a_rollback_publishes_nothing(engine, room):
    def fail() -> None:
        with write(engine) as connection:
            log.append(connection, "acme", "user:alice", "alert:new", {}, NOW, LATER)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert take(engine) == []


def test_of_a_burst_the_last_is_heard_once_at_the_end_of_the_first_s_window(engine, room):
    for n in range(5):
        stage(engine, "pond-1", n, due=NOW + timedelta(milliseconds=100 * (n + 1)))
    stage(engine, "pond-2", 99, due=NOW + timedelta(milliseconds=100))
    with read(engine) as connection:
        assert outbox.next_staged(connection) == NOW + timedelta(milliseconds=100)
    with write(engine) as connection:
        assert outbox.append_staged(connection, NOW, 10) == 0
        assert outbox.append_staged(connection, NOW + timedelta(milliseconds=100), 10) == 2
    heard = take(engine, now=NOW + timedelta(seconds=1))
    assert [(u.event.seq, u.event.data) for u in heard] == [(1, {"n": 4}), (2, {"n": 99})]
    with read(engine) as connection:
        assert outbox.next_staged(connection) is None


def test_nothing_is_staged_in_a_room_that_is_not_there(engine, room):
    assert stage(engine, "k", 1) == 1
    assert stage(engine, "k", 1, room="user:nobody") == 0


def test_publishers_never_take_the_same_event(engine, room):
    with write(engine) as connection:
        for _ in range(40):
            log.append(connection, "acme", "user:bob", "stream:data", {}, NOW, LATER)

    def work(_: int) -> list[int]:
        seqs: list[int] = []
        while batch := take(engine, limit=3):
            seqs += [u.event.seq for u in batch]
        return seqs

    with ThreadPoolExecutor(4) as pool:
        taken = [s for seqs in pool.map(work, range(4)) for s in seqs]
    assert sorted(taken) == list(range(1, 41))
