"""A recall while its notification is still expanded and sent: no phone keeps it."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import select

from models.channels import CHANNELS
from models.deliveries.expand import read_page
from models.deliveries.lifecycle import RetryLater, Sent
from models.deliveries.message import Action
from models.notifications.recall import recall
from models.notifications.tables import notifications
from models.sql.engine import read, write
from tests.factories import accept_one, create_users
from tests.waiting import eventually
from workers.deliver import deliver, deliver_batch
from workers.expand import expand_and_ring


class Phones:
    """FCM and the phones. A message arrives in the middle of its call, and some answers are lost."""

    def __init__(self) -> None:
        self.showing: set[str] = set()
        self.shown = 0
        self.dice = random.Random(0)

    def send(self, batch, deadline):
        time.sleep(self.dice.uniform(0, 0.02))
        for message in batch:
            if message.action is Action.SHOW:
                self.showing.add(message.address)
                self.shown += 1
            else:
                self.showing.discard(message.address)
        time.sleep(self.dice.uniform(0, 0.02))
        # Not the first one: if nothing got through, the channel would be paused, and this clock stands still.
        lost = [n > 0 and m.action is Action.SHOW and self.dice.random() < 0.1 for n, m in enumerate(batch)]
        return [RetryLater("timeout") if one else Sent() for one in lost]

    def close(self) -> None:
        pass


@pytest.mark.slow
def test_a_recall_that_races_expansion_and_sends_leaves_nothing_on_a_phone(run, engine, clock, monkeypatch):
    monkeypatch.setattr("workers.expand.read_page", partial(read_page, size=20))
    monkeypatch.setitem(CHANNELS, "push", replace(CHANNELS["push"], batch_size=10))
    phones = run.channels["live"]["push"] = Phones()
    create_users(engine, [f"u{i:03}" for i in range(120)], device=True)
    n = accept_one(engine, audience={"tenant": True}, channels=["push"])
    ended = threading.Event()

    def expand() -> None:
        while not ended.is_set():
            expand_and_ring(run, n)

    def send() -> None:
        while not ended.is_set():
            deliver_batch(run, "push")

    threads = [threading.Thread(target=work, daemon=True) for work in (expand, expand, send, send, send)]
    for one in threads:
        one.start()
    eventually(lambda: phones.shown >= 40)
    with write(engine) as connection:
        assert recall(connection, "acme", n, clock())
    end = time.monotonic() + 15
    while time.monotonic() < end:
        with read(engine) as connection:
            if connection.execute(select(notifications.c.state)).scalar_one() == "recalled":
                break
        time.sleep(0.02)
    ended.set()
    for one in threads:
        one.join()
    # Neither a pause nor a lease has to end: the last result is known.
    run.breakers["push"].succeeded()
    deliver(run, "push")
    assert phones.shown >= 40
    assert phones.showing == set()
