"""What a batch asks of the database: as many statements for many recipients as for few, and none that reads a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, insert, make_url, select, text

from actions import conversations, messages
from actions.users import delete_user
from models.addresses.queries import disable_addresses
from models.addresses.tables import addresses
from models.conversations.queries import count_unread, find, list_of, participants
from models.deliveries.claim import claim
from models.deliveries.due import channels_with_work, due_notifications
from models.deliveries.expand_small import find_small, write_small
from models.deliveries.lifecycle import Failure, State, Transition
from models.deliveries.record import record
from models.deliveries.tables import deliveries
from models.events import log
from models.events.cursor import Cursor
from models.events.log import heads, read_after
from models.events.publishing import take_unpublished
from models.inbox.queries import Filter, list_items
from models.messages.queries import newest_of
from models.notifications.accept import accept
from models.notifications.tables import notifications
from models.retry import RetryPolicy
from models.schema import metadata
from models.sql.engine import connect, read, write
from models.topics.queries import subscribe
from models.users.queries import Person, upsert_users
from tests.chat import SERVICE, group, say, system, unread, user
from tests.chat import edit as change
from tests.conftest import DATABASES
from tests.databases import sqlite_file
from tests.factories import (
    NOW,
    accept_one,
    create_installation,
    create_tenant,
    create_users,
    expand_all,
    expand_page,
    fail_to_publish,
    notification,
)

pytestmark = pytest.mark.slow

POLICY = RetryPolicy(base=10, cap=100, max_attempts=3)
# Those that grow with what is sent and with who is there.
BIG = (
    *("deliveries", "events", "inbox", "rooms", "users", "addresses", "notifications", "attempts", "tenants"),
    *("conversations", "members", "messages", "mentions", "reactions", "hidden_messages", "message_versions"),
)

Asked = list[tuple[str, Any]]


@contextmanager
def asked(engine: Engine) -> Iterator[Asked]:
    """The statements of the block, with their parameters; many rows given to one statement are one."""
    heard: Asked = []

    def hear(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        heard.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield heard
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def crowd(engine: Engine, names: list[str]) -> list[int]:
    """Users with a device each; their row ids."""
    with write(engine) as connection:
        ids = upsert_users(connection, "acme", map(Person, names), NOW)
        device = {"tenant_id": "acme", "channel": "push", "kind": "token", "created_at": NOW, "last_seen_at": NOW}
        connection.execute(insert(addresses), [{**device, "user_id": i, "value": f"phone-{i}"} for i in ids])
    return ids


def fates(claimed: Any) -> list[tuple[int, Transition]]:
    """One of each: sent, again, dead and gone."""
    of = [
        Transition(State.SENT, 1, provider_id="p"),
        Transition(State.PENDING, 1, NOW + timedelta(minutes=1), Failure.PROVIDER_DOWN, "503"),
        Transition(State.DEAD, 1, None, Failure.ADDRESS_GONE, "gone", disable_address=True),
    ]
    return [(one.delivery_id, of[i % 3]) for i, one in enumerate(claimed)]


def whole_batch(engine: Engine, id_: Any, size: int = 1000) -> None:
    """Expand a page that cannot be published; claim what it wrote, and record what became of it, on two channels."""
    with write(engine) as connection:
        page = expand_page(connection, id_, NOW, size)
    assert page is not None
    assert page.in_app is not None
    fail_to_publish(engine, [page])
    for channel in ("in_app", "push"):
        with write(engine) as connection:
            batch = claim(connection, channel, POLICY, size, 60, NOW)
        assert batch.messages
        with write(engine) as connection:
            results = fates(batch.messages)
            record(connection, batch.lease, results, NOW)
            gone = {one.address_id: "gone" for one in batch.messages if one.address_id}
            disable_addresses(connection, gone, NOW, NOW)


@pytest.mark.parametrize("kind", ["users", "topic", "tenant"])
def test_a_batch_of_many_takes_as_many_statements_as_one_of_few(engine: Engine, kind: str) -> None:
    create_tenant(engine)
    numbers = {}
    for size in (6, 300):
        names = [f"of-{size}-{i}" for i in range(size)]
        ids = crowd(engine, names)
        audience: dict[str, Any] = {"tenant": True}
        if kind == "users":
            audience = {"users": [{"id": name, "email": f"{name}@example.test", "locale": "de"} for name in names]}
        elif kind == "topic":
            audience = {"topic": f"t{size}"}
            with write(engine) as connection:
                subscribe(connection, "acme", f"t{size}", ids, NOW)
        id_ = accept_one(engine, audience=audience)
        with asked(engine) as statements:
            whole_batch(engine, id_)
        numbers[size] = len(statements)
    assert numbers[6] == numbers[300]
    assert numbers[300] < 50


def rows(engine: Engine) -> int:
    """How many rows there are, of everything."""
    with read(engine) as connection:
        counted = [select(func.count()).select_from(table).scalar_subquery() for table in metadata.sorted_tables]
        return sum(connection.execute(select(*counted)).one())


def test_a_message_takes_as_many_statements_and_rows_for_10_000_members_as_for_two(engine: Engine) -> None:
    create_tenant(engine)
    chat = create_installation(engine)
    numbers: dict[int, dict[str, tuple[int, int]]] = {}
    for size in (2, 10_000):
        names = [f"of-{size}-{i}" for i in range(size)]
        key, one, other = group(chat, *names[:2]), names[0], names[1]
        for start in range(2, size, 1000):
            conversations.add_members(chat, SERVICE, key, names[start : start + 1000])
        message = say(chat, key, one, "before")
        works: dict[str, Callable[[], Any]] = {
            "send": partial(say, chat, key, one, "hello", temp_id="t", mentions=[other], reply_to=str(message.id)),
            "private": partial(say, chat, key, one, "psst", private_to=other),
            "system": partial(system, chat, key, "done", mentions=[other, "@all"]),
            "edit": partial(change, chat, message, one, "after", mentions=[other]),
            "read": partial(messages.mark, chat, user(other), key, "delivered"),
            "react": partial(messages.react, chat, user(other), key, str(message.id), "👍", True),
            "list": partial(messages.list_messages, chat, user(other), key, limit=50),
            "look": partial(conversations.look_at, chat, user(other), key),
            "delete": partial(messages.delete_message, chat, user(one), key, str(message.id), for_everyone=True),
        }
        numbers[size] = {}
        for name, work in works.items():
            there = rows(engine)
            with asked(engine) as statements:
                work()
            # A large group is told how many have received it, which is one more.
            spare = name == "read" and size > 2
            numbers[size][name] = (len(statements) - spare, rows(engine) - there)
        # Neither what is private nor what is deleted; and one of them mentions all.
        assert unread(chat, key, names[-1]) == ((3, 2) if size == 2 else (2, 1))
    assert numbers[2] == numbers[10_000]
    assert max(asked_for for asked_for, _ in numbers[2].values()) <= 25
    # The message, its words for the search, its event and what announces that; and the mention of one member.
    assert [numbers[2][name][1] for name in ("send", "private", "system")] == [5, 4, 5]


def test_a_user_leaves_many_conversations_in_as_many_statements_as_few(engine: Engine) -> None:
    create_tenant(engine)
    chat = create_installation(engine)
    numbers = []
    for size in (2, 60):
        create_users(engine, ["gone", "other"])
        for _ in range(size):
            say(chat, group(chat, "gone", "other"), "other", private_to="gone")
        with asked(engine) as statements:
            delete_user(chat, SERVICE, "gone")
        numbers.append(len(statements))
    assert numbers[0] == numbers[1]


Copy = Callable[[], AbstractContextManager[str]]


@pytest.fixture(scope="module", params=DATABASES)
def past(request: pytest.FixtureRequest) -> Iterator[Copy]:
    """Copies a database with a past, which is made once."""
    if request.param == "sqlite":
        with sqlite_file(request.getfixturevalue("_sqlite_template")) as url:
            live_through_much(url)
            yield lambda: sqlite_file(Path(url.removeprefix("sqlite:///")))
    else:
        server = request.getfixturevalue("_postgresql")
        with server.database() as url:
            live_through_much(url)
            yield lambda: server.database(make_url(url).database)


@pytest.fixture
def crowded(past: Copy) -> Iterator[Engine]:
    """A database with a past, for one test."""
    with past() as url:
        engine = connect(url)
        yield engine
        engine.dispose()


def live_through_much(url: str) -> None:
    """Thousands of users and notifications, most of them settled, and fresh statistics."""
    engine = connect(url)
    create_tenant(engine)
    with write(engine) as connection:
        for _ in range(2000):
            accept(connection, notification(), NOW)
        connection.execute(notifications.update().values(state="expanded", due_at=None))
    crowd(engine, [f"u{i}" for i in range(6000)])
    for _ in range(5):
        # The server does this by itself, which those of tests do not: without it, plans go through whole tables.
        with write(engine) as connection:
            connection.execute(text("ANALYZE"))
        expand_all(engine, accept_one(engine, audience={"tenant": True}, channels=["in_app", "push"]))
    with write(engine) as connection:
        connection.execute(deliveries.update().where(deliveries.c.id % 50 != 0).values(state="sent", due_at=None))
        connection.execute(text("ANALYZE"))
    # A database with a connection cannot be copied.
    engine.dispose()


def tables_read_whole(engine: Engine, statements: Asked) -> set[str]:
    """The big tables that the plans of these statements go through from the first row to the last."""
    found: set[str] = set()
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        if not sqlite:
            # Small tables are read whole where an index would do as well; what is asked is whether there is one.
            connection.execute(text("SET enable_seqscan = off"))
        for statement, parameters in statements:
            if not re.match(r"\s*(SELECT|UPDATE|INSERT|DELETE|WITH)\b", statement) or isinstance(parameters, list):
                continue
            told = connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{statement}", parameters)
            plan = "\n".join(str(row[-1] if sqlite else row[0]) for row in told)
            pattern = r"\bSCAN (\w+)(?! USING (?:COVERING )?INDEX)" if sqlite else r"Seq Scan on (\w+)"
            found |= {table for table in re.findall(pattern, plan) if table in BIG}
        connection.rollback()
    return found


def replay(engine: Engine) -> None:
    with read(engine) as connection:
        epoch = log.epoch(connection)
        read_after(connection, "acme", "u7", Cursor(epoch, {"user:u7": 2, "tenant:acme": 0}), NOW)
        heads(connection, "acme", "u7")


def look_around(engine: Engine) -> None:
    with write(engine) as connection:
        due_notifications(connection, NOW)
        channels_with_work(connection, ["in_app", "push", "email"], NOW)
        take_unpublished(connection, NOW, NOW, 100)


def purge(engine: Engine) -> None:
    later = NOW + timedelta(days=30)
    with write(engine) as connection:
        assert log.purge(connection, later, NOW, 100) == 100


def read_inbox(engine: Engine) -> None:
    with read(engine) as connection:
        list_items(connection, "acme", "u7", Filter(), NOW)


def send(engine: Engine) -> None:
    whole_batch(engine, accept_one(engine, audience={"tenant": True}, channels=["in_app", "push"]), size=50)


def send_small(engine: Engine) -> None:
    ids = [accept_one(engine, audience={"users": [{"id": f"u{i}"}]}) for i in range(3)]
    with read(engine) as connection:
        [batch] = find_small(connection, ids, NOW).batches
    with write(engine) as connection:
        assert len(write_small(connection, batch, NOW).recipients) == 3


def chat(engine: Engine) -> None:
    service = create_installation(engine)
    key = group(service, "u1", "u2", "u3")
    message = say(service, key, "u1", mentions=["u2", "@all"])
    private = say(service, key, "u1", private_to="u2", temp_id="t")
    messages.react(service, user("u2"), key, str(message.id), "👍", True)
    messages.mark(service, user("u3"), key, "read")
    messages.list_messages(service, user("u3"), key, before=5, limit=10)
    messages.receipts_of(service, user("u1"), key, str(message.id), None, 10)
    with read(engine) as connection:
        list_of(connection, "acme", "u2", limit=10)
        count_unread(connection, "acme", "u2")
        conversation = find(connection, "acme", key)
        assert conversation is not None
        newest_of(connection, [conversation])
        participants(connection, [conversation.room_id])
    change(service, message, "u1", "again")
    messages.delete_message(service, user("u2"), key, str(private.id), for_everyone=False)
    messages.delete_message(service, user("u1"), key, str(message.id), for_everyone=True)
    conversations.remove_member(service, user("u1"), key, "u1")
    delete_user(service, SERVICE, "u2")


@pytest.mark.parametrize(
    "work", [send, send_small, replay, look_around, purge, read_inbox, chat], ids=lambda work: work.__name__
)
def test_no_big_table_is_read_from_end_to_end(crowded: Engine, work: Callable[[Engine], None]) -> None:
    with asked(crowded) as statements:
        work(crowded)
    assert statements
    assert tables_read_whole(crowded, statements) == set()


def test_a_plan_that_reads_a_whole_table_is_seen(crowded: Engine) -> None:
    with asked(crowded) as statements, read(crowded) as connection:
        connection.execute(select(deliveries.c.id).where(deliveries.c.reason == "none")).all()
    assert tables_read_whole(crowded, statements) == {"deliveries"}
