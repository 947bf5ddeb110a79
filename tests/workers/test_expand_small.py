"""Small notifications: many in one transaction, and each as it would be alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, select

from models.deliveries.expand import read_page
from models.deliveries.expand_small import LARGEST, MOST, _finish, find_small, write_small
from models.deliveries.tables import deliveries
from models.events.log import heads
from models.events.tables import events
from models.inbox.tables import inbox
from models.notifications.recall import recall
from models.notifications.tables import notifications
from models.rooms.tables import rooms
from models.sql.engine import read, write
from models.topics.queries import subscribe
from models.users.queries import find_user
from models.users.tables import users
from tests.factories import NOW, accept_one, create_tenant, create_users
from workers import tasks
from workers.expand import expand_and_ring, expand_small
from workers.runtime import Runtime

# Columns that differ from run to run, or with the order in which rows are written.
_IDS = {"id", "notification_id", "user_id", "room_id", "address_id"}


def to(*names: str, **other: Any) -> dict[str, Any]:
    return {"users": [{"id": name, **other} for name in names]}


def stored(engine: Engine, title_of: dict[UUID, str]) -> dict[str, Any]:
    """Everything that expansion writes, by names in place of ids."""
    with read(engine) as connection:
        name_of = dict(connection.execute(select(users.c.id, users.c.external_id)).all())
        room_of = {row.id: row.key for row in connection.execute(select(rooms))}
        found: dict[str, Any] = {}
        for table in (deliveries, events, inbox):
            rows = []
            for row in connection.execute(select(table)).mappings():
                plain = {name: value for name, value in row.items() if name not in _IDS}
                plain["who"] = name_of[row["user_id"]] if "user_id" in row else room_of[row["room_id"]]
                plain["what"] = title_of[row["notification_id"]]
                plain["addressed"] = bool(row.get("address_id"))
                rows.append(tuple(sorted(plain.items(), key=lambda item: item[0])))
            found[table.name] = sorted(rows, key=str)
        found["heads"] = sorted((row.key, row.head) for row in connection.execute(select(rooms)))
        done = select(notifications.c.title, notifications.c.state, notifications.c.cursor, notifications.c.recipients)
        found["notifications"] = sorted(map(tuple, connection.execute(done.add_columns(notifications.c.due_at))))
        return found


WANTED: list[dict[str, Any]] = [
    {"audience": to("alice")},
    {"audience": to("alice", "bob", "alice"), "category": "news"},
    {"audience": to("zoe", email="zoe@example.test", locale="fr"), "priority": "high"},
    {"audience": to("alice", "zoe"), "channels": ["in_app"]},
    {"audience": to("bob"), "channels": ["in_app"], "expires_at": NOW + timedelta(hours=1)},
    {"audience": to("alice", "carol"), "channels": ["email", "push"]},
    {"audience": to("bob"), "channels": ["email", "in_app"]},
    {"audience": to("eve"), "tenant_id": "umbra"},
]


def accept_all(engine: Engine) -> dict[UUID, str]:
    create_users(engine, ["alice"], email=True, device=True)
    create_users(engine, ["bob", "carol"])
    return {accept_one(engine, title=f"n{n}", **wanted): f"n{n}" for n, wanted in enumerate(WANTED)}


def expand_task(run: Runtime, monkeypatch: pytest.MonkeyPatch, *ids: UUID) -> None:
    """What a worker does for a bell with these notifications."""
    monkeypatch.setattr(tasks, "runtime", lambda: run)
    tasks.expand_task(*map(str, ids))


@pytest.fixture
def one_by_one(run: Runtime, engine: Engine) -> Callable[[], dict[str, Any]]:
    """What is stored if each is expanded alone."""

    def expand() -> dict[str, Any]:
        title_of = accept_all(engine)
        for one in title_of:
            expand_and_ring(run, one)
        found = stored(engine, title_of)
        with write(engine) as connection:
            for table in (notifications, users):
                connection.execute(table.delete())
        return found

    return expand


def test_each_is_written_as_it_would_be_alone(run, engine, bells, one_by_one, monkeypatch):
    create_tenant(engine, "umbra")
    screens = run.channels["live"]["in_app"]
    alone = one_by_one()
    sent_alone = sorted((m.user, m.content.title, m.seq, m.locale) for m in screens.sent)
    screens.sent.clear()
    bells.clear()
    title_of = accept_all(engine)
    expand_task(run, monkeypatch, *title_of)
    together = stored(engine, title_of)
    # The numbers of a user's notifications follow the order of acceptance within a batch, not between batches.
    assert together["notifications"] == alone["notifications"]
    assert together["heads"] == alone["heads"]
    for table in ("deliveries", "events", "inbox"):
        without_seq = [
            sorted(str([item for item in row if item[0] != "seq"]) for row in found[table])
            for found in (together, alone)
        ]
        assert without_seq[0] == without_seq[1]
    shown = sorted((m.user, m.content.title, m.locale) for m in screens.sent)
    assert shown == [(user, title, locale) for user, title, _, locale in sent_alone]
    assert {task for task, _ in bells} == {"deliver email", "deliver push"}


def test_a_user_s_notifications_are_numbered_and_published_in_their_order(run, engine, monkeypatch):
    create_users(engine, ["alice", "bob"])
    names = [["alice"], ["bob", "alice"], ["alice"], ["bob"]]
    ids = [accept_one(engine, audience=to(*who), channels=["in_app"], title=f"n{n}") for n, who in enumerate(names)]
    expand_task(run, monkeypatch, *reversed(ids))
    sent = [(m.user, m.content.title, m.seq) for m in run.channels["live"]["in_app"].sent]
    assert [one for one in sent if one[0] == "alice"] == [("alice", "n0", 1), ("alice", "n1", 2), ("alice", "n2", 3)]
    assert [one for one in sent if one[0] == "bob"] == [("bob", "n1", 1), ("bob", "n3", 2)]
    with read(engine) as connection:
        assert [heads(connection, "acme", user).positions[f"user:{user}"] for user in ("alice", "bob")] == [3, 2]


@pytest.mark.parametrize("channels", [["in_app"], None])
def test_many_take_as_many_statements_as_few_and_one_publication(run, engine, bells, channels, monkeypatch):
    screens = run.channels["live"]["in_app"]
    numbers = []
    for number in (2, 40):
        create_users(engine, [f"u{n}-of-{number}" for n in range(number)], device=True)
        ids = [accept_one(engine, audience=to(f"u{n}-of-{number}"), channels=channels) for n in range(number)]
        heard: list[str] = []
        batches: list[int] = []
        screens.before = lambda batch, batches=batches: batches.append(len(batch))
        hear = lambda *args, heard=heard: heard.append(args[2])  # noqa: E731 - an event's listener
        event.listen(engine, "before_cursor_execute", hear)
        expand_task(run, monkeypatch, *ids)
        event.remove(engine, "before_cursor_execute", hear)
        assert batches == [number]
        numbers.append(len(heard))
    assert numbers[0] == numbers[1]
    assert numbers[1] < 20
    assert bells == ([] if channels else [("deliver push", [])] * 2)


def test_those_that_wait_go_along_if_they_are_of_the_same_tenant_and_lane(run, engine, monkeypatch):
    create_tenant(engine, "umbra")
    asked, waiting = accept_one(engine, title="asked"), accept_one(engine, title="waiting")
    accept_one(engine, title="urgent", priority="critical")
    accept_one(engine, title="of another", tenant_id="umbra")
    expand_task(run, monkeypatch, asked)
    assert [m.content.title for m in run.channels["live"]["in_app"].sent] == ["asked", "waiting"]
    # Their own bell finds nothing to do.
    expand_task(run, monkeypatch, waiting)
    assert len(run.channels["live"]["in_app"].sent) == 2


def test_the_oldest_go_first_and_a_bell_takes_at_least_as_many_as_it_names(engine, run):
    ids = [accept_one(engine, NOW + timedelta(milliseconds=n)) for n in range(MOST + 2)]
    with read(engine) as connection:
        assert find_small(connection, ids[-1:], NOW).batches == [ids[:MOST]]
        assert find_small(connection, ids, NOW).batches == [ids[:MOST], ids[MOST:]]


@pytest.mark.parametrize(
    "other",
    [
        {"audience": {"topic": "news"}},
        {"audience": {"tenant": True}},
        {"audience": to(*(f"u{n}" for n in range(LARGEST + 1)))},
        {"mode": "test"},
        {"expires_at": NOW},
    ],
    ids=["topic", "tenant", "large", "test", "expired"],
)
def test_others_go_one_by_one(run, engine, monkeypatch, other):
    ids = create_users(engine, ["alice"])
    with write(engine) as connection:
        subscribe(connection, "acme", "news", [ids["alice"]], NOW)
    one = accept_one(engine, **other)
    assert expand_small(run, [one]) == [one]
    expand_task(run, monkeypatch, one)
    with read(engine) as connection:
        state, recipients = connection.execute(select(notifications.c.state, notifications.c.recipients)).one()
    assert (state, recipients > 0) == ("expanded", True)


def test_a_recalled_one_is_not_shown_and_stops_no_other(run, engine, monkeypatch):
    create_users(engine, ["alice"])
    kept, recalled, other = (accept_one(engine, title=title) for title in ("kept", "recalled", "other"))

    def late(connection: Any, ids: Any, now: Any) -> Any:
        # Between the look at what there is and the commit.
        done = write_small(connection, ids, now)
        if len(ids) > 1:
            connection.rollback()
            with write(engine) as own:
                recall(own, "acme", recalled, NOW)
            raise ZeroDivisionError
        return done

    monkeypatch.setattr("workers.expand.write_small", late)
    expand_task(run, monkeypatch, kept, recalled, other)
    assert [m.content.title for m in run.channels["live"]["in_app"].sent] == ["kept", "other"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_recall_during_the_transaction_wins(run, engine, monkeypatch):
    create_users(engine, ["alice"])
    kept, recalled = (accept_one(engine, title=title) for title in ("kept", "recalled"))

    def overtaken(connection: Any, sizes: Any) -> None:
        monkeypatch.undo()
        with write(engine) as own:
            recall(own, "acme", recalled, NOW)
        _finish(connection, sizes)

    monkeypatch.setattr("models.deliveries.expand_small._finish", overtaken)
    assert expand_small(run, [kept, recalled]) == []
    assert [m.content.title for m in run.channels["live"]["in_app"].sent] == ["kept"]


def test_one_that_cannot_be_written_stops_no_other_and_is_kept_apart(run, engine, monkeypatch, caplog):
    create_users(engine, ["alice"])
    good, bad, other = (accept_one(engine, title=title) for title in ("good", "bad", "other"))
    with write(engine) as connection:
        # No request can be like that; a bug could.
        broken = {"users": [{"id": "alice", "unknown": 1}]}
        connection.execute(notifications.update().where(notifications.c.id == bad).values(audience=broken))
    expand_task(run, monkeypatch, good, bad, other)
    assert [m.content.title for m in run.channels["live"]["in_app"].sent] == ["good", "other"]
    assert run.apart == {bad}
    later = accept_one(engine, title="later")
    caplog.clear()
    expand_task(run, monkeypatch, later)
    assert [m.content.title for m in run.channels["live"]["in_app"].sent] == ["good", "other", "later"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    with pytest.raises(TypeError):
        expand_task(run, monkeypatch, bad)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_two_workers_do_not_write_the_same(run, engine):
    create_users(engine, ["alice", "bob"])
    first, second = accept_one(engine), accept_one(engine, audience=to("bob"))
    with write(engine) as connection:
        page = read_page(connection, first, NOW)
        assert page is not None
        # Without waiting for the other.
        assert expand_small(run, [first, second]) == []
    assert [m.user for m in run.channels["live"]["in_app"].sent] == ["bob"]


def test_what_a_request_says_of_users_is_stored(run, engine, monkeypatch):
    ids = [
        accept_one(engine, audience=to("zoe", email="old@example.test", locale="fr")),
        accept_one(engine, audience=to("zoe", email="zoe@example.test")),
    ]
    expand_task(run, monkeypatch, *ids)
    with read(engine) as connection:
        zoe = find_user(connection, "acme", "zoe")
    assert (zoe.email, zoe.locale) == ("zoe@example.test", "fr")
