"""Nothing is missed, whenever and from wherever a client connects."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Engine, update

from actions.installation import utc_now
from models.events import log
from models.events.cursor import Cursor
from models.events.log import REPLAY_PAGE
from models.events.tables import meta
from models.sql.engine import write
from tests.waiting import eventually
from tests.web.realtime.conftest import MODES, OTHER_MODES
from tests.web.realtime.stack import Stack, Web

pytestmark = pytest.mark.slow


@contextmanager
def published(stack: Stack, seconds: float) -> Iterator[threading.Thread]:
    """Notifications, as fast as they can be written and published, each with a chance to come late or not at all."""
    errors: list[BaseException] = []

    def work() -> None:
        dice = random.Random(7)
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                for _ in range(dice.randint(1, 3)):
                    stack.write()
                if dice.random() < 0.8:
                    stack.publish()
                time.sleep(dice.random() / 50)
            stack.publish()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    yield thread
    thread.join()
    assert not errors


@pytest.mark.parametrize("combination", MODES + OTHER_MODES)
def test_a_client_that_connects_while_others_publish_misses_nothing(
    webs: Callable[[str], tuple[Web, Engine]], combination: str
):
    stack = Stack(*webs(combination), f"race-{combination}")
    cursor = stack.client().ready["cursor"]
    dice = random.Random(combination)
    with published(stack, 1.2) as writer:
        clients = []
        while writer.is_alive():
            transport = dice.choice(["websocket", "websocket", "polling"])
            clients.append(stack.client(transport=transport, cursor=cursor))
            # Half of them leave, and come back with what they have.
            if dice.random() < 0.5:
                time.sleep(dice.random() / 5)
                left = clients.pop()
                left.close()
                start = max(left.seqs(), default=0)
                assert left.has(1, start)
                clients.append(stack.client(cursor=cursor, positions={"user:alice": start}))
                clients[-1].rooms.setdefault("user:alice", {}).update(left.rooms.get("user:alice", {}))
            time.sleep(dice.random() / 10)
    head = stack.head()
    assert head > 5
    for client in clients:
        eventually(lambda client=client: client.has(1, head), within=20)
        # In order too: only what overtook on its way through Redis may come out of turn.
        assert all(entry is not None for entry in client.rooms["user:alice"].values())
    stack.close()


def test_from_the_beginning_from_a_number_and_from_now(stack: Stack):
    stack.append(5)
    assert stack.client().ready["replayed"] == 0
    for seq in (0, 3, 5):
        client = stack.client(last_seq=seq)
        assert client.order() == list(range(seq + 1, 6))
        assert client.ready["seq"] == client.ready["positions"]["user:alice"] == 5
        assert (client.ready["replayed"], client.ready["complete"], client.ready["more"]) == (5 - seq, True, False)
    epoch = client.ready["epoch"]
    assert stack.client(last_seq=3, epoch=epoch).order() == [4, 5]


def test_a_user_whom_nobody_knows_yet_misses_nothing(stack: Stack):
    cursor = stack.client("newcomer").ready["cursor"]
    stack.notify("newcomer")
    assert stack.client("newcomer", cursor=cursor).order("user:newcomer") == [1]


def test_page_after_page(stack: Stack):
    stack.append(2 * REPLAY_PAGE + 50)
    head = 2 * REPLAY_PAGE + 50
    client = stack.client(last_seq=0)
    ready = client.ready
    assert (ready["replayed"], ready["more"], ready["seq"]) == (REPLAY_PAGE, True, REPLAY_PAGE)
    # What is published meanwhile has to wait for its turn.
    stack.writer.publish(stack.append(1))
    answer = client.call("sync", {"cursor": ready["cursor"]})
    assert (answer["ok"], answer["replayed"], answer["more"], answer["complete"]) == (True, REPLAY_PAGE, True, True)
    answer = client.call("sync", {"cursor": answer["cursor"]})
    assert (answer["replayed"], answer["more"], answer["seq"]) == (51, False, head + 1)
    assert client.order() == list(range(1, head + 2))
    stack.writer.publish(stack.append(1))
    eventually(lambda: client.has(1, head + 2))
    assert client.call("sync")["replayed"] == 0


def test_whoever_does_not_ask_gets_the_rest_unasked(stack: Stack):
    stack.append(3 * REPLAY_PAGE)
    client = stack.client(last_seq=0)
    assert client.ready["more"]
    eventually(lambda: client.order() == list(range(1, 3 * REPLAY_PAGE + 1)))


def test_a_client_may_ask_again_for_what_it_has_lost(stack: Stack):
    stack.append(5)
    client = stack.client(last_seq=0)
    answer = client.call("sync", {"cursor": client.ready["cursor"], "positions": {"user:alice": 2}})
    assert answer["replayed"] == 0, "a position below the cursor's is not newer"
    client.rooms.clear()
    beginning = Cursor(client.ready["epoch"], {"user:alice": 2}).encode()
    assert client.call("sync", {"cursor": beginning})["replayed"] == 3
    assert client.has(3, 5)


def test_what_is_gone_is_said_to_be_gone(stack: Stack):
    stack.append(5)
    cursor = stack.client(last_seq=0).ready["cursor"]
    stale = Cursor("another", {"user:alice": 2}).encode()
    for auth in (
        {"cursor": stale},
        {"cursor": "nonsense"},
        {"last_seq": 9},
        {"last_seq": 1, "epoch": "another"},
        {"cursor": cursor, "positions": {"user:alice": 99}},
    ):
        client = stack.client(**auth)
        assert (client.ready["complete"], client.ready["replayed"], client.ready["seq"]) == (False, 0, 5), auth
        assert client.order() == []
        stack.writer.publish(stack.append(1))
        eventually(lambda client=client: client.order() == [6])
        stack = Stack(stack.web, stack.engine, f"{stack.tenant}x")
        stack.append(5)
    answer = client.call("sync", {"cursor": stale})
    assert (answer["ok"], answer["complete"], answer["replayed"]) == (True, False, 0)


def test_what_was_purged_is_said_to_be_gone(stack: Stack):
    stack.append(5)
    now = utc_now()
    with write(stack.engine) as connection:
        log.purge(connection, now, now, 100_000)
    stack.append(2)
    assert stack.client(last_seq=3).ready["complete"] is False
    assert stack.client(last_seq=5).order() == [6, 7]


def test_what_has_expired_leaves_only_its_number(stack: Stack):
    stack.append(1)
    stack.write(lifetime=timedelta(seconds=0.5))
    stack.write(lifetime=timedelta(seconds=0.5))
    stack.append(1)
    stack.write(lifetime=timedelta(seconds=0.5))
    time.sleep(0.6)
    client = stack.client(last_seq=0)
    assert [(p.get("from"), p["seq"]) for _, p in client.heard if p.get("room") == "user:alice"] == [
        (None, 1),
        (2, 3),
        (None, 4),
        (5, 5),
    ]
    assert client.has(1, 5)


def test_a_new_incarnation_of_the_log_reaches_connected_clients(stack: Stack):
    stack.append(3)
    client = stack.client()

    # As `new_epoch` does, and back again, because other tests share the database.
    def become(value: str) -> None:
        with write(stack.engine) as connection:
            connection.execute(update(meta).where(meta.c.name == "epoch").values(value=value))

    become("restored")
    resync = eventually(lambda: client.all("session:resync"))[0]
    assert (resync["epoch"], resync["complete"], resync["seq"]) == ("restored", False, 3)
    stack.writer.publish(stack.append(1))
    eventually(lambda: client.order() == [4])
    become(client.ready["epoch"])
