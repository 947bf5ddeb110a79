"""Users are deleted while everything that is about them goes on: nobody fails, and nobody waits in a circle."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Literal

import psycopg
import pytest
from sqlalchemy import Engine, event, select

from actions import conversations, messages
from actions.devices import register_device
from actions.installation import Installation
from actions.principal import Principal
from actions.problems import Problem
from actions.topics import add_members, remove_members
from actions.users import delete_user, put_user
from carillon.chat import NewConversation
from models.addresses.queries import disable_addresses
from models.deliveries.acknowledge import acknowledge
from models.deliveries.claim import claim
from models.deliveries.expand import PageConflict
from models.deliveries.lifecycle import Failure, State, Transition
from models.deliveries.record import record
from models.events.log import append_and_publish
from models.events.publishing import append_staged, stage
from models.inbox.changes import READ, change_page
from models.inbox.queries import Filter
from models.messages.tables import messages as messages_table
from models.notifications.recall import recall
from models.retry import RetryPolicy
from models.rooms.tables import rooms
from models.sql.engine import read as read_only
from models.sql.engine import write
from tests.chat import say, user
from tests.factories import NOW, accept_one, create_installation, create_tenant, create_users, expand_page

SECONDS = 3.0
SOON = NOW + timedelta(hours=1)
USERS = [f"u{i:02}" for i in range(24)]
CALLER = Principal("service", "acme", "key", "live")
RESULTS = [
    Transition(State.SENT, 1),
    Transition(State.PENDING, 0, NOW, Failure.PROVIDER_DOWN, "503"),
    Transition(State.DEAD, 1, failure=Failure.ADDRESS_GONE, reason="gone"),
]

Work = Callable[[Installation, random.Random], None]


def delete_and_return(service: Installation, dice: random.Random) -> None:
    user = dice.choice(USERS)
    with suppress(Problem):
        delete_user(service, CALLER, user)
    add_members(service, CALLER, "news", dice.sample(USERS, 6))
    with suppress(Problem):
        put_user(service, CALLER, user, email=f"{user}@example.test", locale=dice.choice(["de", "fr"]))
    register_device(service, CALLER, user, kind="token", value=f"{user}-phone", platform="android")


def change(service: Installation, dice: random.Random) -> None:
    add_members(service, CALLER, "news", dice.sample(USERS, 6))
    remove_members(service, CALLER, "news", dice.sample(USERS, 3))
    phone = f"{dice.choice(USERS)}-phone"
    register_device(service, CALLER, dice.choice(USERS), kind="token", value=phone, platform="android")


def expand_and_recall(service: Installation, dice: random.Random) -> None:
    people = [{"id": u, "locale": dice.choice(["de", "fr"])} for u in dice.sample(USERS, 12)]
    audience = dice.choice([{"tenant": True}, {"topic": "news"}, {"users": people}])
    n = accept_one(service.engine, audience=audience)
    expand(service.engine, n)
    with write(service.engine) as connection:
        recall(connection, "acme", n, NOW)
    expand(service.engine, n)


def expand(engine, notification) -> None:
    finished = False
    while not finished:
        with suppress(PageConflict), write(engine) as connection:
            page = expand_page(connection, notification, NOW, 16)
            finished = page is None or page.finished


def send(service: Installation, dice: random.Random) -> None:
    with write(service.engine) as connection:
        batch = claim(connection, dice.choice(["push", "email"]), RetryPolicy(1, 1, None), 50, 60, NOW)
    results = [(m, dice.choice(RESULTS)) for m in batch.messages]
    with write(service.engine) as connection:
        gone = {m.address_id: "gone" for m, result in results if result.state is State.DEAD}
        disable_addresses(connection, gone, NOW, NOW)
        record(connection, batch.lease, [(m.delivery_id, result) for m, result in results], NOW)


def read(service: Installation, dice: random.Random) -> None:
    user = dice.choice(USERS)
    with write(service.engine) as connection:
        acknowledge(connection, "acme", user, NOW, up_to_seq=dice.randrange(1000))
    with write(service.engine) as connection:
        change_page(connection, "acme", user, READ, Filter(), NOW)


def publish(service: Installation, dice: random.Random) -> None:
    which = rooms.c.key.in_(dice.sample(USERS, 12))
    with write(service.engine) as connection:
        append_and_publish(connection, which, "order:changed", {}, NOW, SOON)
    with write(service.engine) as connection:
        stage(connection, which, "order:changed", "key", {}, NOW, SOON)
    with write(service.engine) as connection:
        append_staged(connection, NOW, 100)


def chat(service: Installation, dice: random.Random) -> None:
    one, other, *more = dice.sample(USERS, 8)
    key = f"group {dice.randrange(4)}"
    done: list[Callable[[], object]] = [
        lambda: begin(service, "group", [*more, one], id=key),
        lambda: begin(service, "direct", [one, other]),
        lambda: conversations.add_members(service, CALLER, key, [*more, one, other]),
        lambda: conversations.add_members(service, CALLER, key, more, "invited"),
        lambda: conversations.join(service, user(one), key),
        lambda: conversations.remove_member(service, CALLER, key, one),
        lambda: conversations.set_role(service, CALLER, key, one, "owner"),
        lambda: say(service, key, one, mentions=[other]),
        lambda: say(service, key, one, private_to=other),
        lambda: messages.mark(service, user(one), key, dice.choice(["read", "delivered", "seen"])),
        lambda: change_last(service, key, one, dice),
    ]
    for work in dice.sample(done, len(done)):
        with suppress(Problem):
            work()


def begin(service: Installation, kind: Literal["direct", "group"], users: list[str], **other: str) -> None:
    conversations.create_conversation(service, CALLER, NewConversation(type=kind, participants=users, **other))


def change_last(service: Installation, key: str, name: str, dice: random.Random) -> None:
    for last in messages.list_messages(service, user(name), key, limit=1):
        messages.react(service, user(name), key, str(last.id), "👍", dice.random() < 0.5)
        for_everyone = last.sender == name
        messages.delete_message(service, user(name), key, str(last.id), for_everyone=for_everyone)


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_users_are_deleted_while_audiences_are_written(engine: Engine) -> None:
    # A circle of waiting is found, and ends a transaction, before anybody gives up a lock.
    name, place = engine.url.database, engine.url.query["host"]
    with psycopg.connect(host=place, user="postgres", dbname="postgres", autocommit=True) as own:
        own.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '20ms'")
    create_tenant(engine)
    create_users(engine, USERS, email=True, device=True)
    service = create_installation(engine)
    # Also those that a caller would not hear of.
    errors: list[str] = []
    event.listen(engine, "handle_error", lambda e: errors.append(f"{e.original_exception} in {e.statement}"))
    done: Counter[str] = Counter()
    end = time.monotonic() + SECONDS

    def repeat(work: Work, seed: int) -> None:
        dice = random.Random(seed)
        while time.monotonic() < end:
            work(service, dice)
            done[work.__name__] += 1

    works: list[Work] = [delete_and_return, delete_and_return, change, expand_and_recall, expand_and_recall]
    works += [send, send, read, publish, chat, chat, chat]
    with ThreadPoolExecutor(len(works)) as pool:
        ended = [pool.submit(repeat, work, seed) for seed, work in enumerate(works)]
    assert [str(e) for f in ended if (e := f.exception())] + errors == []
    assert set(done) == {work.__name__ for work in works}
    with read_only(engine) as connection:
        assert connection.execute(select(messages_table.c.no)).first() is not None
