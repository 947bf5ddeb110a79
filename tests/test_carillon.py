"""The helpers for services that share the database."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, create_engine, func, select
from sqlalchemy.orm import Session, scoped_session, sessionmaker

import carillon
from actions.installation import utc_now
from carillon import installation
from models.alerts.tables import alerts
from models.events import publishing as outbox
from models.events.emit import BadPayload, ReservedType, UnknownType
from models.events.tables import events, staged_events
from models.inbox import changes as inbox_change
from models.notifications.tables import notifications
from models.sql.engine import read, write
from models.users.tables import users
from tests.databases import ROOT
from tests.factories import create_tenant, expand_all


@pytest.fixture
def here(engine: Engine, bells: list[Any]) -> Iterator[Engine]:
    """A tenant, and the helpers configured for it. Bells are recorded."""
    create_tenant(engine)
    carillon.configure(engine, tenant="acme")
    yield engine
    installation._configured = None


def count(engine, table) -> int:
    with read(engine) as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def rows(engine, table) -> list[Any]:
    with read(engine) as connection:
        return list(connection.execute(select(table)))


def waiting(engine) -> list[tuple[str, str, dict[str, Any]]]:
    """(room, type, data) of what has to be published."""
    now = utc_now()
    with write(engine) as connection:
        taken = outbox.take_unpublished(connection, now, now + timedelta(seconds=10), 1000)
    return [(u.event.room, u.event.type, u.event.data or {}) for u in taken]


def eventually(check: Callable[[], Any], within: float = 5.0) -> Any:
    end = time.monotonic() + within
    while not (result := check()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return result


def test_it_says_what_is_missing():
    installation._configured = None
    with pytest.raises(RuntimeError, match="configure"):
        carillon.EventEmitter.broadcast("stream:data", {})


def test_without_a_tenant_one_has_to_be_named(here):
    carillon.configure(here)
    carillon.EventEmitter.emit_to_account("acme", "stream:data", {})
    with pytest.raises(ValueError, match="no tenant"):
        carillon.EventEmitter.broadcast("stream:data", {})


# The unified hub


def test_create_and_emit_a_notification(here, bells):
    sent = carillon.NotificationHandler.create_and_emit(
        account_key="acme", target_user_key="usr_1", title="New Task", message="You have a new task assigned"
    )
    [row] = rows(here, notifications)
    assert (str(row.id), row.audience, row.title) == (sent["notification_id"], {"users": [{"id": "usr_1"}]}, "New Task")
    assert bells == [("expand", [sent["id"]])]


def test_create_and_emit_an_alert(here, bells):
    raised = carillon.AlertHandler.create_and_emit(
        account_key="acme", title="Low Oxygen", message="Oxygen in Pond A is below threshold", severity="critical"
    )
    [row] = rows(here, alerts)
    assert (str(row.id), row.level) == (raised["alert_id"], "critical")
    assert [(room, type_) for room, type_, _ in waiting(here)] == [
        ("tenant:acme", "alert:new"),
        ("tenant:acme", "alert:count"),
    ]
    assert bells == [("publish", [])]


def test_emit_to_a_user_an_account_a_room_and_everybody(here, bells):
    emitter = carillon.EventEmitter
    assert emitter.emit_to_user("usr_1", "stream:data", {"n": 1}) == 1
    assert emitter.emit_to_account("acme", "stream:task_update", {"task_id": "t", "status": "done"}) == 1
    assert emitter.emit_to_room("user:usr_1", "stream:data", {"n": 2}) == 1
    assert emitter.broadcast("stream:data", {"n": 3}) == 1
    assert [(room, data.get("n")) for room, _, data in waiting(here)] == [
        ("user:usr_1", 1),
        ("tenant:acme", None),
        ("user:usr_1", 2),
        ("tenant:acme", 3),
    ]
    assert bells == [("publish", [])] * 4


def test_a_conversation_nobody_began_is_no_room(here):
    with pytest.raises(LookupError):
        carillon.EventEmitter.emit_to_room("user:nobody", "stream:data", {})


def test_what_the_old_hub_emitted_by_hand_becomes_the_thing_itself(here, bells):
    emitter = carillon.EventEmitter
    new = {"notification_id": "n-7", "title": "T", "message": "M", "type": "task", "created_at": "2026"}
    assert emitter.emit_to_user("usr_1", "notification:new", new) == 1
    assert emitter.emit_to_user("usr_1", "notification:count", {"unread": 99}) == 0
    assert emitter.emit_to_account("acme", "alert:new", {"title": "T", "message": "M", "severity": "error"}) == 1
    assert emitter.emit_to_account("acme", "alert:count", {"unacknowledged": 99}) == 0
    [row] = rows(here, notifications)
    assert (row.type, row.reference, row.data) == ("task", "n-7", {})
    assert [type_ for _, type_, _ in waiting(here)] == ["alert:new", "alert:count"]


def test_the_catalogue_guards_the_door(here):
    emitter = carillon.EventEmitter
    for name, data, refusal in [
        ("no:such", {}, UnknownType),
        ("chat:message", {}, ReservedType),
        ("stream:task_update", {}, BadPayload),
    ]:
        with pytest.raises(refusal):
            emitter.emit_to_user("usr_1", name, data)
    assert (count(here, events), count(here, users)) == (0, 0)


def test_a_file_of_types_is_known_to_the_helpers(here, tmp_path):
    (tmp_path / "types.toml").write_text('["invoice:paid"]\ntitle = "T"\n')
    carillon.configure(here, tenant="acme", catalogue_file=tmp_path / "types.toml")
    assert carillon.EventEmitter.broadcast("invoice:paid", {}) == 1


# The four namespaces


def test_the_names_of_the_four_namespaces(here):
    carillon.broadcast_sns_event("publish_success", 7, {"post_id": 123, "platforms": ["x"], "timestamp": "2026"})
    carillon.broadcast_order_event("order_updated", 7, {"order_id": 1})
    assert [(room, type_) for room, type_, _ in waiting(here)] == [
        ("user:7", "sns:publish_success"),
        ("user:7", "orders:order_updated"),
    ]
    carillon.broadcast_notification(7, "order", "Shipped", "It is on its way", "/orders/1")
    carillon.carillon_sns_publish_success(7, 123, ["instagram", "twitter"])
    shipped, published = rows(here, notifications)
    assert (shipped.type, shipped.data, shipped.url) == ("order", {"action_url": "/orders/1"}, None)
    assert published.data == {"post_id": 123, "platforms": ["instagram", "twitter"]}
    assert (published.type, published.level) == ("sns_publish_success", "success")


# The simple kind


def test_a_message_and_a_type_make_a_notification(here):
    carillon.send_notification(
        "user1", {"message": "Your form\nwas submitted", "type": "success", "form_id": 5, "category": "immigration"}
    )
    carillon.send_broadcast_notification({"message": "Maintenance tomorrow", "type": "warning"})
    one, all_ = rows(here, notifications)
    assert (one.title, one.message, one.level) == ("Your form", "Your form\nwas submitted", "success")
    assert (one.category, one.data, one.type) == ("immigration", {"form_id": 5}, "notification")
    assert (all_.audience, all_.level) == ({"tenant": True}, "warning")


def test_what_is_saved_twice_is_kept_once(here):
    first = carillon.save_notification("user1", {"id": 9, "message": "M"})
    assert carillon.save_notification("user1", {"id": 9, "message": "M"}) == first
    assert carillon.save_notification("user2", {"id": 9, "message": "M"}) != first
    assert [row.channels for row in rows(here, notifications)] == [["in_app"]] * 2


def test_the_history_of_a_user(here):
    for n in range(3):
        sent = carillon.send_notification("user1", {"message": f"M{n}", "n": n})
        expand_all(here, rows(here, notifications)[-1].id, utc_now())
    assert [n["message"] for n in carillon.get_notifications_for_user("user1")] == ["M2", "M1", "M0"]
    with write(here) as connection:
        [read_one] = [row.id for row in rows(here, notifications) if str(row.id) == sent["id"]] or [None]
        inbox_change.change_items(connection, "acme", "user1", inbox_change.READ, [read_one], utc_now())
    assert [n["message"] for n in carillon.get_notifications_for_user("user1")] == ["M1", "M0"]
    everything = carillon.get_notifications_for_user("user1", unread_only=False)
    assert [(n["message"], n["read"], n["data"]["n"]) for n in everything[:1]] == [("M2", True, 2)]
    assert [n["message"] for n in carillon.get_notifications_for_user("user1", before=everything[1]["id"])] == ["M0"]
    assert carillon.get_notifications_for_user("nobody") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"title": ""},
        {"title": "x" * 201},
        {"title": "a\nb"},
        {"message": "x" * 4097},
        {"level": "loud"},
        {"priority": "now"},
        {"data": {"a": "x" * 3100}},
        {"data": {"a": float("nan")}},
        {"message": "\x00"},
    ],
)
def test_fields_out_of_bounds_are_refused(here, fields):
    with pytest.raises(ValueError):
        carillon.NotificationHandler.create_and_emit("acme", "u", **({"title": "T", "message": "M"} | fields))
    assert count(here, notifications) == 0


# Transactions


def say_everything(connection: Any) -> None:
    carillon.NotificationHandler.create_and_emit("acme", "usr_1", "T", "M", connection=connection)
    carillon.EventEmitter.emit_to_user("usr_1", "stream:data", {}, connection=connection)
    pond = {"pond_id": 1, "field": "f", "value": 1}
    carillon.EventEmitter.emit_to_user("usr_1", "stream:pond_update", pond, connection=connection)
    carillon.send_notification("usr_1", {"message": "M"}, connection=connection)
    carillon.AlertHandler.create_and_emit("acme", "T", "M", connection=connection)


def said(engine) -> list[int]:
    return [count(engine, table) for table in (notifications, events, staged_events, alerts)]


def test_what_is_said_in_a_transaction_is_heard_when_it_commits(here, bells):
    with here.begin() as connection:
        say_everything(connection)
        if connection.dialect.name == "postgresql":
            assert said(here) == [0, 0, 0, 0]
        assert bells == []
    eventually(lambda: len(bells) == 3)
    assert said(here) == [2, 3, 1, 1]
    # One bell for all events, however many there are.
    assert sorted(task for task, _ in bells) == ["expand", "expand", "publish"]


def test_a_rollback_says_nothing_and_rings_nothing(here, bells):
    def fail() -> None:
        with here.begin() as connection:
            say_everything(connection)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    time.sleep(0.1)
    assert (said(here), bells) == ([0, 0, 0, 0], [])


def test_the_next_transaction_of_a_connection_does_not_ring_for_the_one_before(here, bells):
    with here.connect() as connection:
        say_everything(connection)
        connection.rollback()
        connection.execute(select(1))
        connection.commit()
        time.sleep(0.1)
        assert bells == []
        carillon.EventEmitter.broadcast("stream:data", {}, connection=connection)
        connection.commit()
        eventually(lambda: bells == [("publish", [])])
        carillon.EventEmitter.broadcast("stream:data", {}, connection=connection)
        connection.commit()
        eventually(lambda: bells == [("publish", [])] * 2)


@pytest.fixture(params=["session", "scoped"])
def session(here, request) -> Iterator[Any]:
    """A Session of the service's own engine, made without our options."""
    own = create_engine(here.url)
    made = Session(own) if request.param == "session" else scoped_session(sessionmaker(own))
    yield made
    made.close()
    own.dispose()


def test_a_session_s_commit_is_heard(here, bells, session):
    say_everything(session)
    assert bells == []
    session.commit()
    eventually(lambda: len(bells) == 3)
    assert said(here) == [2, 3, 1, 1]


def test_a_session_s_rollback_is_not(here, bells, session):
    say_everything(session)
    session.rollback()
    session.execute(select(1))
    session.commit()
    time.sleep(0.1)
    assert (said(here), bells) == ([0, 0, 0, 0], [])


def test_a_savepoint_rings_for_nothing(here, bells, session):
    carillon.EventEmitter.broadcast("stream:data", {"n": 1}, connection=session)
    with session.begin_nested():
        carillon.EventEmitter.broadcast("stream:data", {"n": 2}, connection=session)
    time.sleep(0.1)
    assert bells == []
    session.commit()
    eventually(lambda: bells == [("publish", [])])
    assert count(here, events) == 2


def test_the_bell_is_rung_after_the_commit(here, recorder):
    seen: list[int] = []
    recorder.ring = lambda *_: bool(seen.append(count(here, events))) or True
    for n in range(1, 6):
        with here.begin() as connection:
            carillon.EventEmitter.broadcast("stream:data", {}, connection=connection)
        eventually(lambda n=n: len(seen) == n)
    assert seen == [1, 2, 3, 4, 5]


# Single sessions


@pytest.mark.parametrize("session_id", ["", "acme/user:alice", "tenant:acme", "x" * 65, "short", "a b c d e f g"])
def test_what_is_no_session_is_not_spoken_to(here, redis_server, session_id):
    carillon.configure(here, redis_server, tenant="acme")
    with pytest.raises(ValueError, match="session"):
        carillon.send_direct_message(session_id, {"message": "M"})


def test_a_direct_message_travels_by_the_queue_and_leaves_no_trace(here, redis_server):
    carillon.configure(here, redis_server, tenant="acme")
    assert carillon.get_connection_metrics() == {"web_processes": 0, "users": 0, "connections": 0, "rooms": 0}
    with redis.Redis.from_url(redis_server) as client, client.pubsub() as listener:
        listener.subscribe("carillon")
        assert listener.get_message(timeout=5)
        assert carillon.get_connection_metrics()["web_processes"] == 1
        carillon.send_direct_message("h1dPyOYZ8Xq1AAAB", {"message": "Restarting in 5 minutes"})
        message = eventually(lambda: listener.get_message(timeout=1))
    assert b'"direct_message"' in message["data"]
    assert b'"h1dPyOYZ8Xq1AAAB"' in message["data"]
    assert count(here, events) == 0


# From a program of its own

# Where the broker keeps bells of the lane "normal".
INTAKE, DELIVER = "carillon:intake\x06\x162", "carillon:deliver\x06\x162"

PROGRAM = """
import carillon
carillon.configure({database!r}, {redis!r}, tenant="acme")
with_own = {statement}
print(with_own)
"""

STATEMENTS = [
    "carillon.NotificationHandler.create_and_emit(account_key='acme', target_user_key='u', title='T', message='M')",
    "carillon.AlertHandler.create_and_emit('acme', 'T', 'M', severity='critical')",
    "carillon.EventEmitter.emit_to_user('u', 'stream:data', {})",
    "carillon.EventEmitter.emit_to_account('acme', 'stream:data', {})",
    "carillon.EventEmitter.emit_to_room('tenant:acme', 'stream:data', {})",
    "carillon.EventEmitter.broadcast('stream:data', {})",
    "carillon.broadcast_sns_event('publish_success', 7, {'post_id': 1})",
    "carillon.broadcast_order_event('order_updated', 7, {})",
    "carillon.broadcast_notification(7, 'order', 'T', 'M')",
    "carillon.notify_sns_publish_success(7, 1, ['x'])",
    "carillon.carillon_sns_publish_success(7, 1, ['x'])",
    "carillon.send_notification('u', {'message': 'M', 'type': 'info'})",
    "carillon.send_broadcast_notification({'message': 'M'})",
    "carillon.save_notification('u', {'message': 'M'})",
    "carillon.get_notifications_for_user('u', unread_only=True)",
    "carillon.send_direct_message('h1dPyOYZ8Xq1AAAB', {'message': 'M'})",
    "carillon.get_connection_metrics()",
    "carillon.get_user_sessions(7)",
]


def run(program: str) -> str:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
def test_every_helper_works_from_a_program_of_its_own(engine, database_url, redis_server):
    create_tenant(engine)
    body = "\n".join(f"print({statement})" for statement in STATEMENTS)
    run(f"import carillon\ncarillon.configure({database_url!r}, {redis_server!r}, tenant='acme')\n{body}")
    assert said(engine) == [7, 8, 0, 1]
    with redis.Redis.from_url(redis_server) as client:
        # The bells have reached the broker before the program ended.
        # One bell may carry several notifications.
        assert 1 <= client.llen(INTAKE) <= 7
        assert client.llen(DELIVER) >= 1
    assert {name for name in carillon.__all__ if name != "configure"} <= {
        s.split("(")[0].split(".")[1] for s in STATEMENTS
    }


@pytest.mark.slow
def test_a_transaction_of_a_program_of_its_own(engine, database_url, redis_server):
    create_tenant(engine)
    run(
        "import carillon\n"
        "from sqlalchemy import create_engine\n"
        f"engine = create_engine({database_url!r})\n"
        f"carillon.configure(engine, {redis_server!r}, tenant='acme')\n"
        "with engine.begin() as connection:\n"
        "    carillon.EventEmitter.broadcast('stream:data', {}, connection=connection)\n"
        "with engine.connect() as connection:\n"
        "    carillon.EventEmitter.broadcast('stream:data', {}, connection=connection)\n"
    )
    assert count(engine, events) == 1
    with redis.Redis.from_url(redis_server) as client:
        assert client.llen(DELIVER) == 1


@pytest.mark.slow
def test_the_example_of_a_service(engine, database_url, redis_server):
    create_tenant(engine)
    [example] = re.findall(r"```python\n(.*?)```", (ROOT / "docs/services.md").read_text(), re.DOTALL)
    run(
        f"import os\nos.environ |= {{'DATABASE_URL': {database_url!r}, 'REDIS_URL': {redis_server!r}}}\n"
        f"{example}\n"
        "with engine.begin() as connection:\n"
        "    connection.execute(text('CREATE TABLE expenses (id integer PRIMARY KEY, person text, amount integer)'))\n"
        "app.logger.disabled = True\n"
        "page = app.test_client()\n"
        "for number, amount in ((1, 600), (2, 500), (2, 1)):\n"
        "    page.post('/expenses', json={'id': number, 'user': 'alice', 'amount': amount})\n"
        "page.delete('/expenses/1')\n"
    )
    # The second of one number was rolled back, and nobody hears of it.
    assert [(row.type, row.data["id"]) for row in rows(engine, events)] == [
        ("expense:created", 1),
        ("expense:created", 2),
        ("expense:deleted", 1),
    ]
    assert [row.title for row in rows(engine, notifications)] == ["Budget exceeded"]
