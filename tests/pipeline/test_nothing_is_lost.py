"""Processes die at the worst moment; everything still arrives."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from actions.installation import utc_now
from models.addresses import devices
from models.sql.engine import write
from models.users.queries import Person, upsert_users
from tests.pipeline.system import System
from tests.waiting import eventually

pytestmark = pytest.mark.slow

# Where the fault lies in the broker, one database is enough.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def test_a_worker_killed_between_the_providers_acceptance_and_the_commit(system: System):
    system.start("redis", "lab", "web", "worker", "relay")
    with write(system.engine) as connection:
        [alice] = upsert_users(connection, "acme", [Person("alice")], utc_now())
        devices.add_device(connection, "acme", alice, "token", "slow3-phone", None, utc_now())
    n = system.post(channels=["push"]).json()["id"]
    # The lab has taken the message and is slow to say so: the provider has accepted, and nobody has recorded it.
    eventually(lambda: system.received(notification_id=n, address="slow3-phone"))
    system.kill("worker")
    states = [d["state"] for d in system.get(f"/v1/notifications/{n}/deliveries")["data"]]
    assert "sending" in states
    system.start("worker-2")
    eventually(
        lambda: {d["state"] for d in system.get(f"/v1/notifications/{n}/deliveries")["data"]} == {"sent"}, within=40
    )
    copies = system.received(notification_id=n, address="slow3-phone")
    assert len(copies) == 2
    assert len({m["collapse"] for m in copies}) == 1
    page = system.get(f"/v1/notifications/{n}/deliveries")["data"]
    assert sorted(d["attempts"] for d in page) in ([1, 2], [2, 2])


def bells_taken(system: System) -> int:
    """How many bells Redis has taken."""
    statistics: Any = system.redis.info("commandstats")
    return int(statistics.get("cmdstat_lpush", {"calls": 0})["calls"])


def lose_the_bell(system: System) -> str:
    """Publish a bell into the socket buffer of a stopped worker and kill it: gone from Redis, seen by nobody."""
    # The worker asks Redis anew every second, so it may have been stopped between two requests. Then the bell stays in
    # Redis, the worker handles it when it goes on, and we try again.
    for _ in range(10):
        system.signal("worker", signal.SIGSTOP)
        before = bells_taken(system)
        n = system.post().json()["id"]
        # The web process rings after it has answered.
        eventually(lambda before=before: bells_taken(system) > before)
        if system.redis.llen("carillon:intake\x06\x162") == 0:
            break
        system.signal("worker", signal.SIGCONT)
        # Recorded as well: a worker that is stopped while it writes keeps SQLite from the web process.
        sent = {"push": "sent", "email": "sent"}
        eventually(
            lambda n=n, sent=sent: sent.items() <= {c: d["state"] for c, d in system.deliveries(n).items()}.items()
        )
    else:
        pytest.fail("the worker was never stopped while it waited for a bell")
    assert system.redis.hlen("carillon:unacked") == 0
    system.kill("worker")
    return n


@on_sqlite
def test_a_bell_that_redis_gave_to_a_dead_worker_is_rung_again(system: System):
    system.start("redis", "lab", "web", "worker")
    n = lose_the_bell(system)
    system.start("worker-2", "relay")
    eventually(lambda: len(system.received(notification_id=n)) == 2, within=30)


@on_sqlite
def test_without_the_relay_that_bell_is_lost(system: System):
    system.start("redis", "lab", "web", "worker")
    n = lose_the_bell(system)
    system.start("worker-2")
    # In another lane: a bell of the same one would take along what waits.
    control = system.post(priority="critical").json()["id"]
    eventually(lambda: len(system.received(notification_id=control)) == 2)
    time.sleep(6)
    assert system.received(notification_id=n) == []
    assert system.get(f"/v1/notifications/{n}")["state"] == "accepted"


@on_sqlite
def test_redis_dies_and_comes_back_empty(system: System):
    system.start("redis", "lab", "web", "worker", "relay")
    with system.screen() as screen:
        ids = [system.post().json()["id"]]
        eventually(lambda: len(screen.titles()) == 1)
        system.kill("redis")
        for _ in range(3):
            response = system.post()
            assert response.status_code == 202
            ids.append(response.json()["id"])
        # The relay works inline: phone and mailbox need no Redis.
        eventually(lambda: len(system.received()) == 2 * len(ids), within=40)
        system.start("redis-2")
        ids.append(system.post().json()["id"])
        eventually(lambda: len(screen.titles()) >= len(ids), within=60)
    shown = [d["id"] for e, d in screen.heard if e == "notification:new"]
    assert sorted(set(shown)) == sorted(ids)
    eventually(lambda: len(system.received()) == 2 * len(ids), within=40)
    assert sorted(m["notification_id"] for m in system.received()) == sorted(ids * 2)


@on_postgresql
def test_workers_are_killed_at_random_and_every_message_arrives(system: System):
    system.start("redis", "lab", "web", "worker-0", "relay")
    with system.screen() as screen:
        eventually(lambda: [event for event, _ in screen.heard if event == "session:ready"])
        ids = []
        for round_ in range(2):
            ids += [system.post(f"{round_}-{i}").json()["id"] for i in range(15)]
            time.sleep(0.3)
            system.kill(f"worker-{round_}")
            system.start(f"worker-{round_ + 1}")
        # Sent or not: `sent` is not evidence of a screen.
        eventually(lambda: {d["id"] for e, d in screen.heard if e == "notification:new"} >= set(ids), within=60)
    expected = {(n, channel) for n in ids for channel in ("push", "email")}

    def missing() -> set[tuple[str, str]]:
        return expected - {(m["notification_id"], m["channel"]) for m in system.received()}

    eventually(lambda: not missing(), within=60)
    for n in ids:
        eventually(lambda n=n: {d["state"] for d in system.deliveries(n).values()} == {"sent"}, within=30)
    assert {m["notification_id"] for m in system.received()} == set(ids)
