"""A row that a service writes in its own transaction reaches phone, mailbox and page."""

from __future__ import annotations

import time

import pytest

from carillon.outbox import Outbox
from models.sql.engine import write
from tests.pipeline.system import System
from tests.waiting import eventually

pytestmark = pytest.mark.slow

AUDIENCE = {"users": ["alice"]}


def test_a_committed_row_is_sent_on_every_channel_under_the_id_of_the_row(system: System):
    system.start("redis", "lab", "web", "worker", "relay")
    with system.screen() as screen:
        with write(system.engine) as connection:
            sent = Outbox("acme").send(connection, audience=AUDIENCE, title="Hello", message="World")
        eventually(lambda: screen.titles() == ["Hello"])
        eventually(lambda: len(system.received(notification_id=sent)) == 2)
        assert system.deliveries(sent).keys() == {"in_app", "push", "email"}


def test_a_row_that_is_rolled_back_sends_nothing(system: System):
    system.start("redis", "lab", "web", "worker", "relay")
    with system.engine.connect() as connection:
        Outbox("acme").send(connection, audience=AUDIENCE, title="Never", message="World")
        connection.rollback()
    with write(system.engine) as connection:
        sent = Outbox("acme").send(connection, audience=AUDIENCE, title="Hello", message="World")
    eventually(lambda: len(system.received(notification_id=sent)) == 2)
    # Rows are taken in by their ids, so the first one would have come before.
    assert {message["notification_id"] for message in system.received()} == {sent}


def test_rows_written_while_nothing_runs_are_sent_at_the_start(system: System):
    with write(system.engine) as connection:
        ids = [Outbox("acme").send(connection, audience=AUDIENCE, title=f"{n}", message="World") for n in range(3)]
    system.start("redis", "lab", "web", "worker", "relay")
    for sent in ids:
        eventually(lambda sent=sent: len(system.received(notification_id=sent)) == 2)


def test_a_worker_killed_while_it_takes_rows_in_loses_and_repeats_none(system: System):
    system.start("redis", "lab", "web", "worker", "relay")
    ids = []
    for n in range(200):
        with write(system.engine) as connection:
            ids.append(Outbox("acme").send(connection, audience=AUDIENCE, title=f"{n}", message="W", channels=["push"]))
        if n == 100:
            time.sleep(0.05)
            system.kill("worker")
    system.start("worker-2")
    eventually(lambda: {m["notification_id"] for m in system.received()} == set(ids), within=60)
    states = {system.get(f"/v1/notifications/{sent}")["state"] for sent in ids}
    assert "accepted" not in states
