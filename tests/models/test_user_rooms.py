"""Reading the log of a user with conversations: who sees what, and what a cursor means that does not name them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from models.events import log
from models.events.cursor import Cursor
from models.events.log import Replay, heads, read_after
from models.polling.queries import acknowledge_events, read_since
from models.rooms.tables import rooms
from models.sql.engine import read, write
from tests.factories import NOW, create_tenant
from tests.models.rows_of_chat import LATER, add_member, create_conversation, create_conversations, remove_member, say

HORIZON = NOW - timedelta(days=30)


@pytest.fixture(autouse=True)
def _tenant(engine):
    create_tenant(engine)


def start(engine, user="alice") -> Cursor:
    with read(engine) as connection:
        return decoded(heads(connection, "acme", user))


def decoded(cursor: Cursor) -> Cursor:
    """As a client brings it back."""
    return Cursor.decode(cursor.encode())


def after(engine, cursor: Cursor, user="alice", **other: Any) -> Replay:
    with read(engine) as connection:
        return read_after(connection, "acme", user, cursor, NOW, **other)


def texts(replay: Replay) -> list[str]:
    return [event.data["content"] for event in replay.events if event.type == "chat:message"]


def write_one(engine, key: str, text: str, audience=None) -> int:
    with write(engine) as connection:
        return say(connection, key, text, audience)


def test_a_cursor_that_names_no_conversation_brings_what_came_after_it(engine):
    for key in ("c1", "c2", "c3"):
        create_conversation(engine, key, ["alice", "bob"])
        write_one(engine, key, f"{key} before")
    cursor = start(engine)
    assert set(cursor.positions) == {"user:alice", "tenant:acme"}
    write_one(engine, "c2", "c2 after")
    write_one(engine, "c1", "c1 after")
    write_one(engine, "c1", "c1 last")
    replay = after(engine, cursor)
    assert texts(replay) == ["c1 after", "c1 last", "c2 after"]
    assert (replay.starts["conversation:c1"], replay.positions["conversation:c1"]) == (1, 3)
    assert (replay.complete, replay.more) == (True, False)
    assert texts(after(engine, decoded(replay.cursor))) == []


def test_the_cursor_of_a_user_with_two_thousand_quiet_conversations_is_small(engine):
    create_conversations(engine, [f"0190f3a0-0000-7000-8000-{n:012}" for n in range(2000)], ["alice"])
    write_one(engine, f"0190f3a0-0000-7000-8000-{5:012}", "hello")
    cursor = start(engine)
    assert len(cursor.encode()) < 1000
    write_one(engine, f"0190f3a0-0000-7000-8000-{7:012}", "news")
    replay = after(engine, cursor)
    assert texts(replay) == ["news"]
    assert len(replay.cursor.encode()) < 1000


def test_a_transaction_that_began_before_the_cursor_and_commits_after_it_is_not_lost(engine):
    create_conversation(engine, "c1", ["alice"])
    create_conversation(engine, "c2", ["alice"])
    write_one(engine, "c1", "before")
    if engine.dialect.name == "sqlite":
        # There the second writer would wait.
        cursor = start(engine)
        write_one(engine, "c1", "late")
        assert texts(after(engine, cursor)) == ["late"]
        return
    with engine.connect() as slow, slow.begin():
        say(slow, "c1", "late")
        # Its id is higher, and it commits first.
        write_one(engine, "c2", "early")
        cursor = start(engine)
        assert cursor.positions["conversation:c2"] == 1
        assert texts(after(engine, cursor)) == []
    assert texts(after(engine, cursor)) == ["late"]


def test_an_older_transaction_that_writes_later_to_a_room_repeats_nothing(engine):
    if engine.dialect.name == "sqlite":
        pytest.skip("it has one writer")
    for key in ("c1", "c2", "c3"):
        create_conversation(engine, key, ["alice"])
    with engine.connect() as oldest, engine.connect() as running, running.begin():
        with oldest.begin():
            say(oldest, "c2", "takes an id")
            say(running, "c3", "takes the next one")
            write_one(engine, "c1", "one")
            say(oldest, "c1", "two")
        cursor = start(engine)
        assert texts(after(engine, cursor)) == []
        write_one(engine, "c1", "three")
    assert texts(after(engine, cursor)) == ["three", "takes the next one"]


def test_an_event_is_read_by_its_audience_alone(engine):
    create_conversation(engine, "c1", ["alice", "bob", "carol"])
    cursors = {user: start(engine, user) for user in ("alice", "bob", "carol")}
    write_one(engine, "c1", "for all")
    write_one(engine, "c1", "secret", audience=["alice", "bob"])
    write_one(engine, "c1", "for all again")
    seen = {user: after(engine, cursor, user) for user, cursor in cursors.items()}
    assert texts(seen["alice"]) == texts(seen["bob"]) == ["for all", "secret", "for all again"]
    assert texts(seen["carol"]) == ["for all", "for all again"]
    assert {replay.positions["conversation:c1"] for replay in seen.values()} == {3}
    with read(engine) as connection:
        polled = read_since(connection, "acme", "carol", HORIZON, HORIZON, NOW, 100)
    assert texts(polled) == ["for all", "for all again"]
    with write(engine) as connection:
        assert acknowledge_events(connection, "acme", "carol", {"conversation:c1": [1, 2, 3]}, NOW) == 2


def test_who_is_no_member_reads_nothing_whatever_the_cursor_says(engine):
    create_conversation(engine, "c1", ["alice"])
    create_tenant(engine, "other")
    write_one(engine, "c1", "secret")
    add_member(engine, "c1", "dave", role="invited")
    with read(engine) as connection:
        epoch = log.epoch(connection)
    for user in ("bob", "dave", "nobody"):
        for forged in (
            Cursor(epoch, {"conversation:c1": 0, "user:alice": 0}, 0),
            Cursor(epoch, {"conversation:c1": 0}),
            Cursor(epoch, {}, 0),
        ):
            replay = after(engine, forged, user)
            assert (texts(replay), "conversation:c1" in replay.positions) == ([], False)
            assert "conversation:c1" not in replay.cursor.positions
    with read(engine) as connection:
        assert read_after(connection, "other", "alice", Cursor(epoch, {"conversation:c1": 0}, 0), NOW).events == []
        assert read_since(connection, "acme", "bob", HORIZON, HORIZON, NOW, 100).events == []
    with write(engine) as connection:
        assert acknowledge_events(connection, "acme", "bob", {"conversation:c1": [1]}, NOW) == 0


def test_a_member_reads_from_their_first_event_and_nothing_after_their_removal(engine):
    create_conversation(engine, "c1", ["alice"])
    create_conversation(engine, "c2", ["bob"])
    bob = start(engine, "bob")
    write_one(engine, "c1", "before bob")
    add_member(engine, "c1", "bob", after_seq=1)
    write_one(engine, "c1", "with bob")
    replay = after(engine, bob, "bob")
    assert texts(replay) == ["with bob"]
    assert replay.starts["conversation:c1"] == 1
    # Even a client that names the room at its beginning.
    assert texts(after(engine, Cursor(bob.epoch, {"conversation:c1": 0}, bob.mark), "bob")) == ["with bob"]
    remove_member(engine, "c1", "bob")
    write_one(engine, "c1", "without bob")
    assert after(engine, bob, "bob").events == []
    add_member(engine, "c1", "bob", after_seq=3)
    write_one(engine, "c1", "with bob again")
    assert texts(after(engine, bob, "bob")) == ["with bob again"]
    assert texts(after(engine, decoded(replay.cursor), "bob")) == ["with bob again"]


def test_a_room_that_was_joined_since_brings_what_was_written_since(engine):
    create_conversation(engine, "c1", ["alice"])
    write_one(engine, "c1", "history")
    bob = start(engine, "bob")
    add_member(engine, "c1", "bob")
    write_one(engine, "c1", "news")
    # The history is for who asks for it.
    assert texts(after(engine, bob, "bob")) == ["news"]


def test_history_that_was_cut_off_is_missed_by_those_alone_who_had_not_read_it(engine):
    create_conversation(engine, "c1", ["alice", "bob"])
    create_conversation(engine, "c2", ["alice"])
    early = start(engine)
    with write(engine) as connection:
        room, old = "conversation:c1", NOW - timedelta(days=40)
        log.append(connection, "acme", room, "chat:message", {"content": "old"}, old, LATER)
    late = start(engine)
    write_one(engine, "c1", "new")
    with write(engine) as connection:
        assert log.purge(connection, NOW, HORIZON, 100) == 1
    assert not after(engine, early).complete
    assert texts(after(engine, late)) == ["new"]
    assert after(engine, late).complete
    add_member(engine, "c1", "carol", after_seq=1)
    assert after(engine, Cursor(early.epoch, {}, early.mark), "carol").complete


def test_what_expired_is_not_missed(engine):
    create_conversation(engine, "c1", ["alice"])
    cursor = start(engine)
    with write(engine) as connection:
        soon = NOW + timedelta(seconds=1)
        log.append(connection, "acme", "conversation:c1", "chat:message", {"content": "short"}, NOW, soon)
    write_one(engine, "c1", "long")
    with write(engine) as connection:
        assert log.purge(connection, NOW + timedelta(seconds=2), HORIZON, 100) == 1
    replay = after(engine, cursor)
    assert (texts(replay), replay.complete) == (["long"], True)
    assert replay.starts["conversation:c1"] == 1


def test_a_cursor_of_an_earlier_version_begins_conversations_at_their_heads(engine):
    create_conversation(engine, "c1", ["alice"])
    write_one(engine, "c1", "before")
    old = Cursor(start(engine).epoch, {"user:alice": 0, "tenant:acme": 0})
    assert old.encode() == Cursor.decode(old.encode()).encode()
    replay = after(engine, old)
    assert replay.events == []
    write_one(engine, "c1", "after")
    assert texts(after(engine, decoded(replay.cursor))) == ["after"]


def test_a_long_absence_from_many_conversations_comes_in_pages(engine):
    cursor = None
    for n in range(30):
        create_conversation(engine, f"c{n:02}", ["alice"])
        write_one(engine, f"c{n:02}", "known")
    cursor, written, seen = start(engine), [], []
    for n in range(100):
        written.append(f"{n}")
        write_one(engine, f"c{n % 30:02}", f"{n}")
    for _ in range(30):
        page = after(engine, cursor, limit=7)
        assert len(page.events) <= 7
        seen += texts(page)
        cursor = decoded(page.cursor)
        if not page.more:
            break
    assert sorted(seen, key=int) == written


def test_a_busy_room_does_not_keep_others_from_a_page(engine):
    create_conversation(engine, "busy", ["alice"])
    create_conversation(engine, "quiet", ["alice"])
    cursor = start(engine)
    for n in range(12):
        write_one(engine, "busy", f"{n}")
    write_one(engine, "quiet", "hello")
    seen = []
    while True:
        page = after(engine, cursor, limit=5)
        seen += texts(page)
        cursor = decoded(page.cursor)
        if not page.more:
            break
    assert seen == [*(f"{n}" for n in range(12)), "hello"]


@contextmanager
def writers(engine, keys: list[str], number: int, each: int) -> Iterator[list[str]]:
    """So many threads that write to random conversations, several in a transaction, some of which fail."""
    written: list[str] = []
    lock = threading.Lock()

    def work(k: int) -> None:
        for i in range(each):
            mine = [f"{k}-{i}-{j}" for j in range(1 + (i + k) % 3)]
            try:
                with write(engine) as connection:
                    # In one order, or they would wait for each other in a circle.
                    for key, text in sorted(zip([keys[(k + i + j) % len(keys)] for j in range(3)], mine, strict=False)):
                        say(connection, key, text)
                    if (i + k) % 5 == 0:
                        raise RuntimeError
                with lock:
                    written.extend(mine)
            except RuntimeError:
                pass

    threads = [threading.Thread(target=work, args=(k,)) for k in range(number)]
    for thread in threads:
        thread.start()
    yield written
    for thread in threads:
        thread.join()


def test_with_concurrent_writers_everything_is_read_once_and_in_order(engine):
    keys = [f"c{n}" for n in range(6)]
    for key in keys:
        create_conversation(engine, key, ["alice"])
    cursor, seen, numbers = start(engine), [], []
    with writers(engine, keys, 4, 12) as written:
        for _ in range(40):
            page = after(engine, cursor, limit=9)
            seen += texts(page)
            numbers += [(event.room, event.seq) for event in page.events]
            # What the client keeps is the cursor alone.
            cursor = decoded(page.cursor)
    while True:
        page = after(engine, cursor)
        seen += texts(page)
        numbers += [(event.room, event.seq) for event in page.events]
        cursor = decoded(page.cursor)
        if not page.more:
            break
    assert sorted(seen) == sorted(written)
    for key in keys:
        mine = [seq for room, seq in numbers if room == f"conversation:{key}"]
        assert mine == list(range(1, len(mine) + 1))


class _Story:
    """What alice is owed of three conversations, and what she has read."""

    def __init__(self, engine) -> None:
        with write(engine) as connection:
            connection.execute(delete(rooms).where(rooms.c.kind == "conversation"))
        self.engine = engine
        for key in ("c0", "c1", "c2"):
            create_conversation(engine, key, ["bob"])
        self.cursor = start(engine)
        self.owed: dict[str, list[str]] = {}
        self.number = {"c0": 0, "c1": 0, "c2": 0}

    def write(self, key: str) -> None:
        self.number[key] = write_one(self.engine, key, f"{key}-{self.number[key] + 1}")
        if key in self.owed:
            self.owed[key].append(f"{key}-{self.number[key]}")

    def private(self, key: str) -> None:
        self.number[key] = write_one(self.engine, key, "not for alice", audience=["bob"])

    def join(self, key: str) -> None:
        if key not in self.owed:
            add_member(self.engine, key, "alice", after_seq=self.number[key])
            self.owed[key] = []

    def remove(self, key: str) -> None:
        if self.owed.pop(key, None) is not None:
            remove_member(self.engine, key, "alice")

    def purge(self, _key: str) -> None:
        with write(self.engine) as connection:
            log.purge(connection, NOW, NOW - timedelta(days=1), 100)

    def look(self, _key: str) -> None:
        more = True
        while more:
            page = after(self.engine, self.cursor, limit=4)
            assert page.complete
            for event in page.events:
                assert event.data["content"] == self.owed[event.room.removeprefix("conversation:")].pop(0)
            self.cursor, more = decoded(page.cursor), page.more
        assert not any(self.owed.values())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "write", "private", "join", "remove", "look", "look", "purge"]),
        st.sampled_from(["c0", "c1", "c2"]),
    ),
    max_size=25,
)


@given(steps=STEPS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_a_member_reads_everything_once(engine, steps):
    story = _Story(engine)
    for step, key in [*steps, ("look", "c0")]:
        getattr(story, step)(key)
