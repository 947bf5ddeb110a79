from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import event, func, select

from models.catalogue.event_type import Declaration
from models.catalogue.queries import declare
from models.events import publishing as outbox
from models.events.cursor import Cursor
from models.events.emit import BadPayload, NoWindow, ReservedType, UnknownType, WrongRoom, emit, emit_to_users
from models.events.log import epoch, read_after
from models.events.tables import events, staged_events
from models.sql.engine import read, write
from models.users.tables import users
from tests.factories import NOW, create_tenant, create_users

TENANT = "tenant:acme"


@pytest.fixture(autouse=True)
def acme(engine):
    create_tenant(engine)
    create_users(engine, ["alice", "bob"])


def say(engine, name="stream:data", data=None, room=TENANT, now=NOW, **other):
    with write(engine) as connection:
        return emit(connection, "acme", room, name, {"n": 1} if data is None else data, now, **other)


def tell(engine, users, name="stream:data", data=None, now=NOW, **other):
    with write(engine) as connection:
        return emit_to_users(connection, "acme", users, name, {"n": 1} if data is None else data, now, **other)


def type_of(engine, name, **fields):
    with write(engine) as connection:
        declare(connection, "acme", name, Declaration(**({"title": "T"} | fields)), NOW, most=3)


def take(engine, now=NOW, limit=1000):
    with write(engine) as connection:
        return outbox.take_unpublished(connection, now, now + timedelta(seconds=10), limit)


def replay(engine, room=TENANT, now=NOW):
    with read(engine) as connection:
        cursor = Cursor(epoch(connection), {room: 0})
        return read_after(connection, "acme", room.removeprefix("user:"), cursor, now).events


def count(engine, table):
    with read(engine) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def test_an_event_is_in_the_log_and_on_its_way(engine):
    said = say(engine, data={"n": 5})
    [waiting] = take(engine)
    assert (waiting.tenant, waiting.event.room, waiting.event.seq) == ("acme", TENANT, 1)
    assert waiting.event.data == {"id": said, "n": 5, "created_at": "2026-01-01T12:00:00.000Z"}
    assert replay(engine) == [waiting.event]


def test_what_the_payload_calls_its_own_stays(engine):
    assert say(engine, data={"id": 7, "created_at": "yesterday"}) == "7"
    assert replay(engine)[0].data == {"id": 7, "created_at": "yesterday"}


def test_many_users_are_told_in_a_few_statements(engine):
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda _c, _u, statement, *_: statements.append(statement))
    names = [f"u{n}" for n in range(500)]
    assert tell(engine, [*names, "u1"]) == 500
    assert len(statements) < 30
    waiting = take(engine)
    assert len(waiting) == 500
    # One id for all: the same event, on as many screens.
    assert len({u.event.data["id"] for u in waiting}) == 1
    assert {(u.event.room, u.event.seq) for u in waiting} == {(f"user:{name}", 1) for name in names}


def test_users_nobody_knew_are_created_and_those_who_are_known_are_not_changed(engine):
    assert tell(engine, ["alice", "carol"]) == 2
    assert count(engine, users) == 3
    assert [e.seq for e in replay(engine, "user:carol")] == [1]
    assert tell(engine, []) == 0


def test_a_room_that_is_not_there_is_an_error(engine):
    for room in ("user:nobody", "tenant:umbrella"):
        with pytest.raises(LookupError):
            say(engine, room=room)


def test_a_rollback_says_nothing(engine):
    def fail() -> None:
        with write(engine) as connection:
            emit(connection, "acme", TENANT, "stream:data", {}, NOW)
            emit_to_users(connection, "acme", ["carol"], "stream:pond_update", POND | {"value": 1}, NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (take(engine), count(engine, events), count(engine, staged_events)) == ([], 0, 0)


# The door


@pytest.mark.parametrize(
    ("name", "data", "room", "refusal", "text"),
    [
        ("no:such", {}, TENANT, UnknownType, "there is no event type 'no:such'"),
        ("", {}, TENANT, UnknownType, "there is no event type ''"),
        ("a:\x00", {}, TENANT, UnknownType, "there is no event type"),
        ("notification:new", {}, "user:alice", ReservedType, "Carillon emits it"),
        ("chat:message", {}, TENANT, ReservedType, "Carillon emits it"),
        ("chat:presence", {}, TENANT, ReservedType, "its name is reserved"),
        ("sns:publish_start", {}, "user:alice", UnknownType, "there is no event type"),
        ("sns:publish_success", {"post_id": 1}, TENANT, WrongRoom, "goes to user rooms, not to tenant rooms"),
        ("stream:task_update", {"task_id": 1}, TENANT, BadPayload, '"status" is a required property'),
        ("stream:data", {"a": "x" * 9000}, TENANT, BadPayload, "must not exceed 8192 bytes"),
        ("stream:data", {"a": float("nan")}, TENANT, BadPayload, "finite"),
        ("stream:data", ["a"], TENANT, BadPayload, "must be an object"),
    ],
)
def test_what_the_catalogue_does_not_know_is_refused_at_the_door(engine, name, data, room, refusal, text):
    with pytest.raises(refusal) as caught:
        say(engine, name, data, room)
    assert text in str(caught.value)
    assert count(engine, events) == 0


def test_a_type_of_a_tenant_is_held_against_its_schema(engine):
    type_of(engine, "invoice:paid", rooms=["user"], payload={"properties": {"sum": {"type": "number"}}})
    assert tell(engine, ["alice"], "invoice:paid", {"sum": 1.5}) == 1
    with pytest.raises(BadPayload) as caught:
        tell(engine, ["alice"], "invoice:paid", {"sum": "much"})
    assert caught.value.faults == [("sum", '"much" is not of type "number"')]
    with pytest.raises(WrongRoom):
        say(engine, "invoice:paid", {})


# Time


def test_a_type_says_how_long_its_events_are_kept(engine):
    type_of(engine, "short:lived", ttl=5)
    type_of(engine, "not:kept", replay=False)
    say(engine, "short:lived")
    say(engine, "not:kept")
    say(engine, "expense:created")
    for seconds, kept in [(4, 3), (6, 2), (31, 1), (3599, 1), (3601, 0)]:
        assert len(replay(engine, now=NOW + timedelta(seconds=seconds))) == kept


def test_what_expired_before_it_was_published_is_dropped(engine):
    type_of(engine, "short:lived", ttl=5)
    say(engine, "short:lived")
    say(engine)
    later = NOW + timedelta(seconds=6)
    assert [u.event.type for u in take(engine, now=later)] == ["stream:data"]
    # Only the one that was taken is left, to be tried again.
    assert len(take(engine, now=later + timedelta(seconds=11))) == 1


def test_what_was_purged_before_it_was_published_is_dropped(engine):
    say(engine)
    with write(engine) as connection:
        connection.execute(events.delete())
    assert take(engine) == []
    with read(engine) as connection:
        assert not outbox.due(connection, NOW + timedelta(days=1))


def test_urgent_lanes_are_published_first(engine):
    for lane in ("bulk", "normal", "critical"):
        type_of(engine, f"lane:{lane}", priority=lane)
        say(engine, f"lane:{lane}")
    assert [u.event.type for u in take(engine, limit=2)] == ["lane:critical", "lane:normal"]
    assert [u.event.type for u in take(engine)] == ["lane:bulk"]


# Windows

POND = {"pond_id": "p1", "field": "oxygen"}


def pond(engine, value, at=0.0, data=None, **other):
    data = (POND if data is None else data) | {"value": value}
    return say(engine, "stream:pond_update", data, now=NOW + timedelta(milliseconds=at), **other)


def appended(engine, at):
    with write(engine) as connection:
        return outbox.append_staged(connection, NOW + timedelta(milliseconds=at), 100)


def test_of_a_burst_the_last_is_heard_once(engine):
    for n in range(10):
        pond(engine, n, at=9 * n)
    assert (take(engine), appended(engine, 99), appended(engine, 100)) == ([], 0, 1)
    [heard] = take(engine, now=NOW + timedelta(seconds=1))
    assert (heard.event.seq, heard.event.data["value"]) == (1, 9)
    assert appended(engine, 10_000) == 0


def test_things_with_different_keys_do_not_replace_each_other(engine):
    pond(engine, 1)
    pond(engine, 2, data=POND | {"field": "temperature"})
    pond(engine, 3, data=POND | {"pond_id": "p2"})
    pond(engine, 4, room="user:alice")
    assert appended(engine, 100) == 4
    heard = take(engine, now=NOW + timedelta(seconds=1))
    assert sorted((u.event.room, u.event.seq) for u in heard) == [(TENANT, n) for n in (1, 2, 3)] + [("user:alice", 1)]


def test_a_key_of_the_caller_takes_the_place_of_the_paths(engine):
    pond(engine, 1, key="all")
    pond(engine, 2, key="all", data=POND | {"pond_id": "p2"})
    assert appended(engine, 100) == 1
    with pytest.raises(NoWindow):
        say(engine, key="all")


def test_many_users_can_be_staged_for(engine):
    for value in (1, 2):
        data = POND | {"value": value}
        assert tell(engine, [f"u{n}" for n in range(100)], "stream:pond_update", data) == 100
    assert count(engine, staged_events) == 100
    assert appended(engine, 100) == 100
    assert {u.event.data["value"] for u in take(engine, now=NOW + timedelta(seconds=1))} == {2}


def test_a_window_does_not_shorten_the_life_of_what_it_holds_back(engine):
    type_of(engine, "slow:one", ttl=1, coalesce={"window_ms": 5000})
    say(engine, "slow:one")
    assert appended(engine, 5000) == 1
    assert len(replay(engine, now=NOW + timedelta(seconds=5.9))) == 1
    assert replay(engine, now=NOW + timedelta(seconds=6)) == []


def test_windows_and_writers_of_the_same_rooms_do_not_deadlock(engine):
    """Half of the writers hold the room before the staged event, half the other way round."""
    failures: list[Exception] = []
    done = threading.Event()

    def work(k: int) -> None:
        for n in range(8):
            try:
                with write(engine) as connection:
                    for name, data in [("stream:data", {}), ("stream:pond_update", POND | {"value": n})][
                        :: 1 - 2 * (k % 2)
                    ]:
                        emit(connection, "acme", TENANT, name, data, NOW)
            except Exception as error:  # noqa: BLE001 - whatever it is, it should not be
                failures.append(error)

    def publish() -> None:
        while not done.is_set():
            try:
                appended(engine, 1000)
            except Exception as error:  # noqa: BLE001
                failures.append(error)

    publisher = threading.Thread(target=publish)
    publisher.start()
    # In turn: two writers that hold the same things in different orders are none of the publisher's business.
    for k in range(4):
        work(k)
    done.set()
    publisher.join()
    appended(engine, 1000)
    assert failures == []
    seqs = [e.seq for e in replay(engine)]
    assert seqs == list(range(1, len(seqs) + 1))
