"""A claim ends with its lease: what a batch has not begun by then is somebody else's."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from channels.email.channel import EmailChannel, parse_sender
from channels.email.smtp import Server
from models.deliveries.tables import attempts, deliveries
from models.sql.engine import read
from tests.channels.mail_server import MailServer
from tests.channels.support import threads
from tests.factories import NOW, accept_one, create_users, expand_all
from workers.deliver import deliver_batch

SENDER = parse_sender("Carillon <bell@carillon.example>")


def test_both_modes_of_a_batch_have_the_deadline_of_its_claim(run, engine):
    create_users(engine, ["alice"], email=True)
    for mode in ("live", "test"):
        expand_all(engine, accept_one(engine, mode=mode))
    before = time.monotonic()
    deliver_batch(run, "email")
    live, trial = (run.channels[mode]["email"].deadlines for mode in ("live", "test"))
    assert live == trial
    assert before + run.lease <= live[0] <= time.monotonic() + run.lease


@pytest.mark.slow
def test_a_slow_batch_of_live_and_test_mails_is_sent_once(run, engine, monkeypatch):
    monkeypatch.setattr("channels.email.channel.SOON", 0.1)
    create_users(engine, [f"u{n}" for n in range(16)], email=True)
    for mode in ("live", "test"):
        expand_all(engine, accept_one(engine, mode=mode, audience={"tenant": True}))
    started = time.monotonic()
    servers = {"live": MailServer(seconds=0.1), "test": MailServer(seconds=0.1)}
    with servers["live"].running() as live, servers["test"].running() as trial:
        channels = {
            mode: {"email": EmailChannel(Server("127.0.0.1", port, "none", "x.example", 0.5), SENDER)}
            for mode, port in (("live", live), ("test", trial))
        }
        # Those of one mode take 1.6 seconds, and the lease is 2.5, of which the last mail needs up to 1.
        slow = replace(
            run,
            channels=channels,
            lease=2.5,
            now=lambda: NOW + timedelta(seconds=time.monotonic() - started),
        )

        def work(_: int) -> None:
            while time.monotonic() - started < 15 and not all(len(s.accepted) >= 16 for s in servers.values()):
                if not deliver_batch(slow, "email"):
                    time.sleep(0.05)

        threads(2, work)
        for by_name in channels.values():
            by_name["email"].close()
    for server in servers.values():
        assert Counter(Counter(recipient for recipient, _ in server.accepted).values()) == {1: 16}
    with read(engine) as connection:
        states = select(deliveries.c.state, deliveries.c.attempts).where(deliveries.c.channel == "email")
        assert set(connection.execute(states).all()) == {("sent", 1)}
        assert connection.execute(select(attempts)).all() == []
