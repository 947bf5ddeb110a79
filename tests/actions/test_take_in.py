"""The intake of the outbox: what a service inserted in its own transaction becomes what a request would have made."""

from __future__ import annotations

import json
import socket
import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import uuid_utils.compat
from sqlalchemy import Engine, insert, select, text

from actions import take_in as module
from actions.installation import utc_now
from actions.take_in import take_in
from models.alerts.tables import alerts
from models.events.cursor import Cursor
from models.events.log import epoch, read_after
from models.inbox.queries import counts_for
from models.notifications.queries import find_notification
from models.notifications.tables import notifications
from models.outbox import queries as outbox
from models.outbox.listen import listen
from models.outbox.tables import carillon_outbox
from models.sql.engine import connect, read, write
from tests.bells import RecordingBells
from tests.channels.support import server, silent
from tests.factories import create_installation, create_tenant, create_users, expand_all
from tests.waiting import eventually

HELLO = {"audience": {"users": ["alice"]}, "title": "Hello", "message": "World"}


@pytest.fixture
def here(engine: Engine, recorder: RecordingBells):
    create_tenant(engine)
    return create_installation(engine, recorder)


def put(engine: Engine, kind: str = "notification", body: object = HELLO, **columns: object) -> None:
    with write(engine) as connection:
        connection.execute(insert(carillon_outbox).values(tenant_id="acme", kind=kind, body=body, **columns))


def settle(installation) -> int:
    """Take in until nothing is due. Returns how many rows were looked at."""
    total = 0
    while done := take_in(installation, lambda: 1.0):
        total += done
    return total


def rejected(engine: Engine) -> list[dict]:
    with read(engine) as connection:
        return [row.problem for row in outbox.list_rejected(connection, "acme")]


def rows(engine: Engine) -> int:
    with read(engine) as connection:
        return len(connection.execute(select(carillon_outbox.c.id)).all())


def test_plain_sql_sends_a_notification_under_the_id_of_its_row(here, engine, bells):
    with write(engine) as connection:
        row_id = connection.execute(
            text(
                "INSERT INTO carillon_outbox (tenant_id, kind, body)"
                " VALUES ('acme', 'notification', :body) RETURNING id"
            ),
            {"body": json.dumps(HELLO)},
        ).scalar_one()
    row_id = UUID(str(row_id))
    assert row_id.version == 7
    assert settle(here) == 1
    with read(engine) as connection:
        found = find_notification(connection, "acme", row_id)
    assert found is not None
    assert (found.title, found.mode, found.audience) == ("Hello", "live", {"users": [{"id": "alice"}]})
    assert bells == [("expand", [str(row_id)])]
    assert rows(engine) == 0


def test_ids_made_by_the_database_sort_by_time(engine):
    create_tenant(engine)
    for _ in range(3):
        put(engine)
    with read(engine) as connection:
        found = connection.execute(select(carillon_outbox.c.id, carillon_outbox.c.created_at)).all()
    for row in found:
        assert row.id.version == 7
        assert row.id.variant == "specified in RFC 4122"
        assert abs((row.id.int >> 80) / 1000 - row.created_at.timestamp()) < 1
        assert abs((utc_now() - row.created_at).total_seconds()) < 60
    assert len({row.id for row in found}) == 3


def test_a_rollback_sends_nothing(here, engine, bells):
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(insert(carillon_outbox).values(tenant_id="acme", kind="notification", body=HELLO))
        transaction.rollback()
    assert (settle(here), bells) == (0, [])


def test_alerts_events_and_recalls_go_the_same_way(here, engine, bells):
    create_users(engine, ["alice"])
    sent = uuid_utils.compat.uuid7()
    put(engine, id=sent)
    put(engine, "alert", {"title": "Disk", "message": "full", "level": "critical"})
    put(engine, "event", {"audience": {"users": ["alice"]}, "type": "stream:data", "data": {"n": 1}})
    put(engine, "recall", {"id": str(sent)})
    assert settle(here) == 4
    with read(engine) as connection:
        assert connection.execute(select(notifications.c.state)).scalar_one() == "recalling"
        assert connection.execute(select(alerts.c.title, alerts.c.level)).one() == ("Disk", "critical")
        start = Cursor(epoch(connection), {"user:alice": 0})
        [event] = read_after(connection, "acme", "alice", start, utc_now()).events
    assert (event.type, event.data["n"]) == ("stream:data", 1)
    assert sorted({task for task, _ in bells}) == ["expand", "publish"]
    assert rejected(engine) == []


def test_an_inbox_is_changed_as_if_its_user_did_it(here, engine, bells):
    create_users(engine, ["alice", "bob"])
    sent = uuid_utils.compat.uuid7()
    own = {"reference": "n-7", "data": {"notification_id": "n-7"}}
    put(engine, id=sent, body=HELLO | own)
    for _ in range(3):
        put(engine)
    settle(here)
    with read(engine) as connection:
        accepted = list(connection.execute(select(notifications.c.id).order_by(notifications.c.id)).scalars())
    for one in accepted:
        expand_all(engine, one, utc_now())
    bells.clear()
    # Ids that were made in the same millisecond sort in any order.
    another = next(one for one in accepted if one != sent)
    put(engine, "inbox", {"user": "alice", "change": "read", "notification": "n-7"})
    put(engine, "inbox", {"user": "alice", "change": "delete", "notification": str(another)})
    put(engine, "inbox", {"user": "alice", "change": "read_all"})
    put(engine, "inbox", {"user": "bob", "change": "read", "notification": "n-7"})
    put(engine, "inbox", {"user": "alice", "change": "read"})
    settle(here)
    with read(engine) as connection:
        start = Cursor(epoch(connection), {"user:alice": 0})
        events = [(e.type, e.data) for e in read_after(connection, "acme", "alice", start, utc_now()).events]
        counts = counts_for(connection, "acme", ["alice"], utc_now())["alice"]
    changes = [(name, data) for name, data in events if data and name != "notification:count"]
    assert [name for name, _ in changes] == ["notification:read", "notification:deleted", "notification:read_all"]
    assert (changes[0][1]["own_ids"], changes[2][1]["count"]) == (["n-7"], 2)
    assert (counts.unread, counts.total) == (0, 3)
    assert {task for task, _ in bells} == {"publish"}
    assert sorted(problem["code"] for problem in rejected(engine)) == ["not_found", "validation"]


def test_events_keep_the_order_in_which_they_were_written(here, engine):
    create_users(engine, ["alice"])
    for n in range(20):
        put(engine, "event", {"audience": {"users": ["alice"]}, "type": "stream:data", "data": {"n": n}})
        if n % 5 == 0:
            put(engine)
    assert settle(here) == 24
    with read(engine) as connection:
        start = Cursor(epoch(connection), {"user:alice": 0})
        events = read_after(connection, "acme", "alice", start, utc_now()).events
    assert [event.data["n"] for event in events] == list(range(20))


@pytest.mark.parametrize(
    ("kind", "body", "columns", "status", "code", "field"),
    [
        ("notification", {**HELLO, "title": ""}, {}, 422, "validation", "title"),
        ("notification", {**HELLO, "channels": ["smoke"]}, {}, 422, "validation", "channels.0"),
        ("notification", {**HELLO, "expires_in": 10**9}, {}, 422, "validation", "expires_in"),
        ("notification", [], {}, 422, "validation", "body"),
        ("notification", HELLO, {"id": uuid4()}, 422, "validation", "id"),
        ("notification", HELLO, {"id": UUID(int=7 << 76 | 2 << 62)}, 422, "validation", "id"),
        ("alert", {"title": "x"}, {}, 422, "validation", "message"),
        ("event", {"audience": {"tenant": True}, "type": "no:such", "data": {}}, {}, 422, "unknown_event_type", "type"),
        ("recall", {"id": "00000000-0000-7000-8000-000000000000"}, {}, 404, "not_found", None),
        ("smoke", {}, {}, 422, "validation", "kind"),
    ],
)
def test_what_cannot_be_accepted_is_kept_with_the_reason(here, engine, bells, kind, body, columns, status, code, field):
    put(engine, kind, body, **columns)
    put(engine)
    assert settle(here) == 2
    [problem] = rejected(engine)
    assert (problem["status"], problem["code"]) == (status, code)
    assert [error["field"] for error in problem.get("errors", [])][:1] == ([field] if field else [])
    # The good row beside it went its way.
    assert [task for task, _ in bells] == ["expand"]
    assert settle(here) == 0


def test_an_unknown_tenant_is_a_rejected_row_and_no_error_for_the_service(here, engine):
    with write(engine) as connection:
        connection.execute(insert(carillon_outbox).values(tenant_id="nobody", kind="notification", body=HELLO))
    assert settle(here) == 1
    with read(engine) as connection:
        [row] = outbox.list_rejected(connection, "nobody")
    assert row.problem["errors"][0]["field"] == "tenant_id"


def test_a_key_is_that_of_every_door(here, engine, bells):
    for _ in range(2):
        put(engine, idempotency_key="k")
    put(engine, body={**HELLO, "title": "Another"}, idempotency_key="k")
    assert settle(here) == 3
    with read(engine) as connection:
        assert len(connection.execute(select(notifications.c.id)).all()) == 1
    assert [problem["code"] for problem in rejected(engine)] == ["idempotency_key_reused"]


def test_an_id_that_is_in_use_is_refused(here, engine):
    row_id = uuid_utils.compat.uuid7()
    put(engine, id=row_id)
    settle(here)
    put(engine, id=row_id)
    settle(here)
    assert [problem["code"] for problem in rejected(engine)] == ["id_in_use"]


def test_a_bug_costs_a_row_some_attempts_and_the_others_nothing(here, engine, monkeypatch, bells):
    def act(connection, installation, entry, now, work):
        if entry.body["title"] == "bad":
            raise ZeroDivisionError
        real_act(connection, installation, entry, now, work)

    real_act = module._act
    monkeypatch.setattr(module, "_act", act)
    put(engine, body={**HELLO, "title": "bad"})
    put(engine)
    assert settle(here) == 2
    assert [task for task, _ in bells] == ["expand"]
    later = create_installation(engine, now=lambda: utc_now() + timedelta(hours=1))
    for _ in range(9):
        assert rejected(engine) == []
        with write(engine) as connection:
            connection.execute(carillon_outbox.update().values(due_at=utc_now()))
        assert take_in(later, lambda: 0.0) == 1
    [problem] = rejected(engine)
    assert (problem["code"], problem["status"]) == ("internal", 500)


@pytest.mark.slow
def test_two_processes_take_every_row_in_once(here, engine):
    for n in range(300):
        put(engine, body={**HELLO, "title": str(n)})
    threads = [threading.Thread(target=settle, args=(here,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle(here)
    with read(engine) as connection:
        titles = connection.execute(select(notifications.c.title)).scalars().all()
    assert sorted(map(int, titles)) == list(range(300))


@pytest.mark.slow
def test_a_commit_is_reported_at_once_where_the_database_can(here, engine):
    told, stop = threading.Event(), threading.Event()
    thread = threading.Thread(target=listen, args=(engine, told.set, stop))
    thread.start()
    if engine.dialect.name == "sqlite":
        thread.join(5)
        assert not thread.is_alive()
        return
    # The first report is for what was committed before.
    assert told.wait(10)
    told.clear()
    with write(engine) as connection:
        connection.execute(insert(carillon_outbox).values(tenant_id="acme", kind="notification", body=HELLO))
        assert not told.wait(0.3)
    assert told.wait(5)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def stands_still(connection: socket.socket) -> None:
    """PostgreSQL that lets a client in (AuthenticationOk, ReadyForQuery), and answers no statement."""
    connection.recv(65536)
    connection.sendall(b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")
    silent(connection)


@pytest.mark.slow
def test_a_server_that_stands_still_is_not_waited_for(caplog):
    with server(stands_still) as port:
        engine = connect(f"postgresql+psycopg://nobody@127.0.0.1:{port}/x?sslmode=disable&gssencmode=disable")
        stop = threading.Event()
        thread = threading.Thread(target=listen, args=(engine, lambda: None, stop))
        thread.start()
        eventually(lambda: "not listening to the outbox" in caplog.messages)
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def test_rejected_rows_are_kept_for_the_retention(here, engine):
    put(engine, "smoke", {})
    settle(here)
    now = utc_now()
    with write(engine) as connection:
        assert outbox.purge(connection, now + timedelta(days=29), timedelta(days=30), 10) == 0
        assert outbox.purge(connection, now + timedelta(days=31), timedelta(days=30), 10) == 1
