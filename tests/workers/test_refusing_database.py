"""A database that refuses between the provider's acceptance and our record: nothing is sent twice."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
from celery.signals import worker_shutting_down
from sqlalchemy import Engine, event, select

from models.deliveries.lifecycle import RetryLater, Sent
from models.deliveries.tables import attempts, deliveries
from models.sql.engine import UNAVAILABLE, read
from tests.factories import accept_one, create_users, expand_all
from tests.waiting import eventually
from workers import deliver as module
from workers import tasks
from workers.deliver import deliver, deliver_batch


@pytest.fixture
def refuse(engine: Engine) -> Callable[[bool], None]:
    """`refuse(True)`: the database takes no writes, and ends its connections (PostgreSQL). `refuse(False)` ends it."""
    if engine.dialect.name == "sqlite":
        refusing = threading.Event()

        @event.listens_for(engine, "checkout")
        def _(connection, *_):
            connection.execute(f"PRAGMA query_only = {refusing.is_set():d}")

        return lambda on: refusing.set() if on else refusing.clear()

    def switch(on: bool) -> None:
        name, place = engine.url.database, engine.url.query["host"]
        value = "on" if on else "off"
        with closing(psycopg.connect(host=place, user="postgres", dbname="postgres", autocommit=True)) as own:
            own.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")
            own.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])

    return switch


@pytest.fixture
def mails(run, engine):
    """The channel of four mails that are due."""
    create_users(engine, [f"u{i}" for i in range(4)], email=True)
    expand_all(engine, accept_one(engine, audience={"tenant": True}))
    return run.channels["live"]["email"]


def mail_rows(engine, *columns):
    with read(engine) as connection:
        query = select(*columns).where(deliveries.c.channel == "email").order_by(deliveries.c.id)
        return [tuple(row) for row in connection.execute(query)]


def test_what_was_accepted_while_the_database_refuses_is_recorded_when_it_is_back(run, engine, clock, mails, refuse):
    mails.script = [Sent(), RetryLater("451"), Sent(), Sent()]

    def accept(_batch):
        refuse(True)
        threading.Timer(1, refuse, [False]).start()
        mails.before = lambda _: None

    mails.before = accept
    deliver(run, "email")
    assert [state for (state,) in mail_rows(engine, deliveries.c.state)] == ["sent", "pending", "sent", "sent"]
    clock.advance(run.lease + 1)
    deliver(run, "email")
    assert Counter(m.user for m in mails.sent) == {"u0": 1, "u1": 2, "u2": 1, "u3": 1}
    assert mail_rows(engine, deliveries.c.state) == [("sent",)] * 4
    with read(engine) as connection:
        assert connection.execute(select(attempts.c.number)).scalars().all() == [1]


def test_a_process_that_has_to_record_what_it_sent_does_not_claim_it_after_its_lease(run, engine, clock, mails, refuse):
    sending = threading.Event()

    def accept(_batch):
        refuse(True)
        sending.set()

    mails.before = accept
    worker = threading.Thread(target=deliver_batch, args=(run, "email"))
    worker.start()
    assert sending.wait(10)
    eventually(lambda: run.unrecorded)
    clock.advance(run.lease + 1)
    refuse(False)
    while worker.is_alive():
        deliver(run, "email")
    assert len(mails.sent) == 4
    assert mail_rows(engine, deliveries.c.state) == [("sent",)] * 4
    assert not run.unrecorded


def test_a_worker_that_is_told_to_end_waits_for_no_lease(run, mails, refuse, monkeypatch):
    monkeypatch.setattr(module, "STOP_WAIT", 0.5)
    monkeypatch.setattr(tasks, "runtime", lambda: run)
    mails.before = lambda _: refuse(True)
    # As Celery does at SIGTERM.
    threading.Timer(1, worker_shutting_down.send, ["worker"], {"sig": "SIGTERM", "how": "Warm", "exitcode": 0}).start()
    began = time.monotonic()
    with pytest.raises(UNAVAILABLE):
        deliver_batch(run, "email")
    assert 1 < time.monotonic() - began < run.lease / 2
    refuse(False)


def test_a_worker_does_not_wait_for_ever(run, mails, refuse):
    mails.before = lambda _: refuse(True)
    impatient = replace(run, lease=0.3)
    with pytest.raises(UNAVAILABLE):
        deliver_batch(impatient, "email")
    assert not impatient.unrecorded
    refuse(False)
