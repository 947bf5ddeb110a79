from __future__ import annotations

import logging
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
import redis
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from bus.counters import Counters
from models.addresses.tables import addresses
from models.channels import CHANNELS
from models.deliveries.acknowledge import acknowledge
from models.deliveries.lifecycle import AddressGone, Deferred, Failure, Rejected, RetryLater, Sent
from models.deliveries.message import Action
from models.deliveries.record import MAX_KEPT
from models.deliveries.tables import attempts, deliveries
from models.notifications.recall import recall
from models.notifications.tables import notifications
from models.sql.engine import read, write
from tests.factories import NOW, accept_one, create_users, expand_all, fail_to_publish
from workers.deliver import deliver, deliver_batch
from workers.expand import publish_page


def states(engine, channel="email"):
    with read(engine) as connection:
        rows = connection.execute(
            select(deliveries.c.state).where(deliveries.c.channel == channel).order_by(deliveries.c.id)
        )
        return list(rows.scalars())


@pytest.fixture
def people(engine, run):
    create_users(engine, [f"u{i}" for i in range(4)], email=True, device=True)
    n = accept_one(engine, audience={"tenant": True})
    for page in expand_all(engine, n):
        publish_page(run, page)
    return n


def test_everything_due_is_sent_once(run, engine, people):
    assert deliver(run, "email")
    assert states(engine) == ["sent"] * 4
    channel = run.channels["live"]["email"]
    assert [m.address for m in channel.sent] == [f"u{i}@example.test" for i in range(4)]
    assert deliver(run, "email")
    assert len(channel.sent) == 4


def test_each_message_has_its_own_fate(run, engine, people):
    run.channels["live"]["push"].script = [Sent("p"), RetryLater("503"), Rejected("bad"), AddressGone("unregistered")]
    deliver_batch(run, "push")
    assert states(engine, "push") == ["sent", "pending", "dead", "dead"]
    with read(engine) as connection:
        disabled = select(addresses.c.value).where(addresses.c.disabled_at.is_not(None))
        assert connection.execute(disabled).scalars().all() == ["u3-phone"]


def test_a_retry_happens_when_it_is_due_and_not_before(run, engine, people, clock):
    channel = run.channels["live"]["email"]
    channel.script = [RetryLater("451")] * 4
    deliver(run, "email")
    assert len(channel.sent) == 4
    clock.advance(59)
    deliver(run, "email")
    assert len(channel.sent) == 4
    clock.advance(2)
    deliver(run, "email")
    assert states(engine) == ["sent"] * 4
    assert [m.failed for m in channel.sent] == [0] * 4 + [1] * 4


@pytest.mark.parametrize("name", ["push", "email"])
def test_an_outage_of_a_night_kills_nothing(run, engine, people, clock, name):
    """Ten hours in which the provider answers nothing but 503."""
    channel = run.channels["live"][name]
    channel.script = [RetryLater("503")] * 1000
    for _ in range(60):
        deliver(run, name)
        clock.advance(600)
    assert states(engine, name) == ["pending"] * 4
    tried = len(channel.sent) // 4
    assert tried > CHANNELS[name].policy.max_attempts
    with read(engine) as connection:
        kept = connection.execute(select(func.count()).select_from(attempts)).scalar_one()
    assert kept == 4 * min(tried, MAX_KEPT)
    channel.script = []
    clock.advance(CHANNELS[name].policy.cap)
    deliver(run, name)
    assert states(engine, name) == ["sent"] * 4


def test_a_batch_of_which_nothing_gets_through_pauses_the_channel(run, engine, clock, monkeypatch):
    monkeypatch.setitem(CHANNELS, "push", replace(CHANNELS["push"], batch_size=2))
    create_users(engine, [f"u{i}" for i in range(12)], device=True)
    expand_all(engine, accept_one(engine, audience={"tenant": True}))
    channel = run.channels["live"]["push"]
    pauses = []
    for _ in range(4):
        channel.script = [RetryLater("503"), RetryLater("429", Failure.QUOTA)]
        deliver(run, "push")
        assert channel.script == []
        pauses.append(run.breakers["push"].seconds_left)
        clock.advance(pauses[-1] - 1)
        before = len(channel.sent)
        deliver(run, "push")
        # One batch, and then nothing until the pause ends.
        assert len(channel.sent) == before
        clock.advance(1)
    assert pauses == [10, 20, 40, 60]
    assert Counter(states(engine, "push")) == {"pending": 12}
    with read(engine) as connection:
        tried = select(deliveries.c.failure).where(deliveries.c.channel == "push", deliveries.c.failure.is_not(None))
        assert len(connection.execute(tried).all()) <= 4 * 2
    # A batch gets through, and everything that is due goes out at once.
    deliver(run, "push")
    assert states(engine, "push").count("sent") >= 4
    clock.advance(900)
    deliver(run, "push")
    assert states(engine, "push") == ["sent"] * 12


def test_a_pause_lasts_as_long_as_the_provider_asks_and_no_longer_than_an_hour(run, engine, people, clock):
    channel = run.channels["live"]["push"]
    channel.script = [RetryLater("503", after=120), *[RetryLater("timeout")] * 3]
    deliver(run, "push")
    assert run.breakers["push"].seconds_left == 120
    clock.advance(120)
    channel.script = [RetryLater("503", after=86400)] * 4
    deliver(run, "push")
    assert run.breakers["push"].seconds_left == 3600


@pytest.mark.parametrize(
    "script",
    [
        [Sent("p"), RetryLater("503"), RetryLater("503"), RetryLater("503")],
        [AddressGone("unregistered"), RetryLater("503"), RetryLater("503"), RetryLater("503")],
        [RetryLater("503"), Rejected("bad"), Rejected("bad"), Rejected("bad")],
        [RetryLater("a bug", Failure.UNCLASSIFIED)] * 4,
        [RetryLater("the APNs key", Failure.CREDENTIALS)] * 4,
        [Deferred(1)] * 4,
    ],
)
def test_a_batch_does_not_pause_the_channel_if_the_provider_works(run, people, script):
    run.channels["live"]["push"].script = script
    deliver(run, "push")
    assert run.breakers["push"].closed


def test_one_batch_at_a_time_finds_out_whether_an_outage_has_ended(run, engine, people, clock):
    channel = run.channels["live"]["push"]
    channel.script = [RetryLater("503")] * 4
    deliver(run, "push")
    clock.advance(10)
    busy = []

    def another_thread(_batch):
        busy.append(deliver_batch(run, "push"))

    channel.before = another_thread
    expand_all(engine, accept_one(engine, audience={"tenant": True}))
    deliver(run, "push")
    assert busy == [0]
    assert run.breakers["push"].closed


def test_test_keys_neither_pause_a_channel_nor_end_its_pause(run, engine, people, clock):
    create_users(engine, ["tester"], device=True)
    live, test = run.channels["live"]["push"], run.channels["test"]["push"]
    expand_all(engine, accept_one(engine, mode="test", audience={"tenant": True}))
    test.script = [RetryLater("the lab is down")] * 5
    deliver(run, "push")
    assert states(engine, "push").count("sent") == 4
    assert run.breakers["push"].closed
    live.script = [RetryLater("503")] * 5
    expand_all(engine, accept_one(engine, audience={"tenant": True}))
    deliver(run, "push")
    clock.advance(10)
    with write(engine) as connection:
        later = clock.now + timedelta(hours=1)
        connection.execute(deliveries.update().where(deliveries.c.state == "pending", live_ones()).values(due_at=later))
    test.script = []
    deliver(run, "push")
    assert len(test.sent) == 10
    assert not run.breakers["push"].closed
    assert run.breakers["push"].allows()


def live_ones():
    return deliveries.c.notification_id.in_(select(notifications.c.id).where(notifications.c.mode == "live"))


def test_a_message_that_is_held_spends_no_attempt_and_leaves_no_trace(run, engine, people, clock):
    channel = run.channels["live"]["push"]
    channel.script = [Sent("p"), Deferred(3.0), Deferred(4.0), Sent("q")]
    deliver(run, "push")
    assert states(engine, "push") == ["sent", "pending", "pending", "sent"]
    with read(engine) as connection:
        assert connection.execute(select(attempts)).all() == []
        held = select(deliveries.c.attempts, deliveries.c.failure).where(
            deliveries.c.channel == "push", deliveries.c.state == "pending"
        )
        assert connection.execute(held).all() == [(0, None), (0, None)]
    clock.advance(5)
    deliver(run, "push")
    assert [m.attempt for m in channel.sent] == [1] * 6


def test_refused_credentials_leave_the_rest_of_the_channel_untouched_for_a_while(run, engine, people, clock):
    channel = run.channels["live"]["push"]
    for_all = RetryLater("403", Failure.CREDENTIALS, 300, for_all=True)
    channel.script = [for_all] * 4
    deliver(run, "push")
    expand_all(engine, accept_one(engine, audience={"tenant": True}))
    deliver(run, "push")
    assert len(channel.sent) == 4
    with read(engine) as connection:
        pushes = select(deliveries.c.state, deliveries.c.attempts).where(deliveries.c.channel == "push")
        assert connection.execute(pushes).all() == [("pending", 0)] * 8
    clock.advance(11)
    deliver(run, "push")
    assert len(channel.sent) == 8
    deliver(run, "email")
    assert states(engine) == ["sent"] * 8


NASTY = "no \0 \x1b[31m \x9b \u202e \ud800 thing"


def test_a_reply_that_a_database_or_a_terminal_cannot_take_is_recorded(run, engine, people):
    channel = run.channels["live"]["push"]
    channel.script = [Sent(f"p{NASTY}" + "x" * 500), RetryLater(NASTY), Rejected(NASTY), AddressGone(NASTY)]
    deliver_batch(run, "push")
    assert states(engine, "push") == ["sent", "pending", "dead", "dead"]
    with read(engine) as connection:
        rows = connection.execute(select(deliveries).where(deliveries.c.channel == "push").order_by(deliveries.c.id))
        sent, *failed = rows.all()
        kept = connection.execute(select(attempts.c.reason)).scalars().all()
        gone = connection.execute(select(addresses.c.disabled_reason).where(addresses.c.disabled_at.is_not(None)))
        reasons = [*(row.reason for row in failed), *kept, *gone.scalars()]
    assert reasons == ["no [31m thing"] * 7
    assert sent.provider_id.startswith("pno [31m thing xxx".replace("thing ", "thing"))
    assert len(sent.provider_id) == 255


def test_a_result_that_cannot_be_stored_takes_no_other_with_it(run, engine, people, monkeypatch, caplog):
    monkeypatch.setattr("models.deliveries.record.printable", lambda text: text.encode("ascii").decode())
    channel = run.channels["live"]["push"]
    channel.script = [Sent("p"), Rejected("é"), Sent("é"), AddressGone("gone")]
    deliver_batch(run, "push")
    assert states(engine, "push") == ["sent", "dead", "sent", "dead"]
    with read(engine) as connection:
        columns = (deliveries.c.reason, deliveries.c.provider_id, deliveries.c.failure)
        rows = connection.execute(select(*columns).where(deliveries.c.channel == "push").order_by(deliveries.c.id))
        assert rows.all() == [
            (None, "p", None),
            ("the reason cannot be stored", None, "bad_request"),
            (None, None, None),
            ("gone", None, "address_gone"),
        ]
        disabled = select(addresses.c.value).where(addresses.c.disabled_at.is_not(None))
        assert connection.execute(disabled).scalars().all() == ["u3-phone"]
    assert [r.levelname for r in caplog.records if r.message == "results cannot be stored together"] == ["ERROR"]


def test_an_unavailable_database_is_not_asked_for_each_result(run, engine, people, monkeypatch):
    asked = []

    def unavailable(*_):
        asked.append(1)
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr("workers.deliver.record", unavailable)
    with pytest.raises(OperationalError):
        deliver_batch(replace(run, lease=0.01), "push")
    assert len(asked) == 1


def test_a_channel_that_breaks_is_a_retry_and_an_error(run, engine, people, caplog):
    run.channels["live"]["email"].error = ZeroDivisionError("u1@example.test")
    deliver_batch(run, "email")
    assert states(engine) == ["pending"] * 4
    with read(engine) as connection:
        row = connection.execute(select(deliveries).where(deliveries.c.channel == "email")).first()
    assert (row.failure, row.reason) == (Failure.UNCLASSIFIED, "unclassified: ZeroDivisionError")
    assert "channel failed" in caplog.text


def test_a_channel_that_is_not_configured_suppresses(run, engine, people):
    del run.channels["live"]["push"]
    deliver(run, "push")
    assert states(engine, "push") == ["suppressed"] * 4


def test_a_test_key_reaches_the_test_channels_only(run, engine):
    create_users(engine, ["alice"], email=True, device=True)
    expand_all(engine, accept_one(engine, mode="test"))
    run.channels["test"]["push"].script = [AddressGone("unregistered")]
    for channel in ("in_app", "push", "email"):
        deliver(run, channel)
        assert run.channels["live"][channel].sent == []
        assert len(run.channels["test"][channel].sent) == 1
    with read(engine) as connection:
        assert connection.execute(select(addresses.c.disabled_at)).scalars().all() == [None, None]


def test_an_acknowledgement_during_the_send_stays(run, engine):
    create_users(engine, [f"u{i}" for i in range(4)])
    n = accept_one(engine, audience={"tenant": True})
    fail_to_publish(engine, expand_all(engine, n))

    def acknowledge_now(_messages):
        with write(engine) as connection:
            acknowledge(connection, "acme", "u0", NOW, ids=[n])

    run.channels["live"]["in_app"].before = acknowledge_now
    deliver(run, "in_app")
    assert states(engine, "in_app") == ["acked", "sent", "sent", "sent"]


def test_a_withdrawal_reaches_the_screens_that_showed_it(run, engine, people):
    deliver(run, "push")
    with write(engine) as connection:
        recall(connection, "acme", people, NOW)
    expand_all(engine, people)
    for channel in ("in_app", "push"):
        deliver(run, channel)
        withdrawn = [m for m in run.channels["live"][channel].sent if m.action is Action.WITHDRAW]
        assert len(withdrawn) == 4
    assert [m.seq for m in run.channels["live"]["in_app"].sent] == [1] * 4 + [2] * 4


def test_no_log_record_carries_an_address(run, engine, people, caplog):
    caplog.set_level(logging.DEBUG)
    run.channels["live"]["push"].script = [RetryLater("busy"), Rejected("bad"), AddressGone("gone"), Sent()]
    deliver(run, "push")
    deliver(run, "email")
    for record in caplog.records:
        assert "phone" not in str(vars(record))
        assert "example.test" not in str(vars(record))
    fields = [vars(r) for r in caplog.records if r.message == "not sent"]
    assert {f["attempt"] for f in fields} == {1}
    assert all(f["channel"] == "push" and f["delivery"] and f["notification"] == str(people) for f in fields)


def test_time_runs_out_before_the_work_does(run, engine, people):
    assert not deliver(run, "email", budget=-1.0)
    assert states(engine) == ["sent"] * 4
    assert deliver(run, "email")


def test_what_waits_too_long_expires(run, engine, people, clock):
    channel = run.channels["live"]["email"]
    clock.advance(timedelta(days=2).total_seconds())
    deliver(run, "email")
    assert channel.sent == []
    assert states(engine) == ["expired"] * 4


def test_what_was_sent_and_what_died_is_counted(run, engine, people, redis_server):
    with closing(Counters(redis_server, "test")) as rates:
        run.channels["live"]["push"].script = [Sent("p"), RetryLater("503"), Rejected("bad"), AddressGone("gone")]
        for channel in ("push", "email"):
            deliver_batch(replace(run, counters=rates), channel)
    with redis.Redis.from_url(redis_server, decode_responses=True) as client:
        counted = Counter()
        for key in client.keys("test:rates:[0-9]*"):
            counted.update({name: int(number) for name, number in client.hgetall(key).items()})
        totals = client.hgetall("test:rates:totals")
    assert counted == {"sent:push": 1, "dead:push": 2, "sent:email": 4}
    assert totals == {
        "deliveries:push:sent:none": "1",
        "deliveries:push:pending:provider_down": "1",
        "deliveries:push:dead:bad_request": "1",
        "deliveries:push:dead:address_gone": "1",
        "deliveries:email:sent:none": "4",
    }


def test_what_was_settled_without_being_sent_is_counted_too(run, people, clock, redis_server):
    clock.advance(timedelta(days=2).total_seconds())
    with closing(Counters(redis_server, "test")) as rates:
        deliver_batch(replace(run, counters=rates), "email")
        rates.flush()
        assert rates.totals() == {"deliveries:email:expired:expired": 4}
