from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from models.addresses.queries import disable_addresses
from models.addresses.tables import addresses
from models.deliveries import status as inspect
from models.deliveries.claim import claim
from models.deliveries.tables import deliveries
from models.events.cursor import Cursor
from models.events.log import epoch, read_after
from models.events.tables import events
from models.notifications.queries import find_notification
from models.notifications.recall import recall
from models.notifications.tables import notifications
from models.retry import RetryPolicy
from models.sql.engine import read, write
from models.topics.queries import subscribe
from models.users.queries import find_user
from tests.factories import NOW, accept_one, create_tenant, create_users, expand_all, expand_page, fail_to_publish

POLICY = RetryPolicy(1, 10, None)


def rows(engine, *columns, **where):
    with read(engine) as connection:
        query = select(*columns)
        for name, value in where.items():
            query = query.where(deliveries.c[name] == value)
        return [tuple(r) for r in connection.execute(query.order_by(deliveries.c.id))]


def test_by_default_everyone_is_reached_where_they_have_an_address(engine):
    create_tenant(engine)
    create_users(engine, ["alice"], email=True, device=True)
    create_users(engine, ["bob"])
    n = accept_one(engine, audience={"users": [{"id": "alice"}, {"id": "bob"}]})
    expand_all(engine, n)
    with read(engine) as connection:
        assert inspect.count_deliveries(connection, n) == {
            "email": {"pending": 1},
            "in_app": {"sent": 2},
            "push": {"pending": 1},
        }
        found = find_notification(connection, "acme", n)
    assert (found.state, found.recipients, found.due_at) == ("expanded", 2, None)


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_a_user_named_in_two_pages_is_one_recipient_with_all_that_was_given(engine, size):
    create_tenant(engine)
    again = [{"id": "alice", "email": "a@example.test"}, {"id": "bob"}, {"id": "alice", "locale": "de"}]
    more = [{"id": "bob", "email": "b@example.test"}, {"id": "alice"}]
    n = accept_one(engine, audience={"users": again + more}, channels=["email"])
    expand_all(engine, n, size=size)
    # No page has seen a user without their mailbox.
    assert rows(engine, deliveries.c.state) == [("pending",)] * 2
    with read(engine) as connection:
        assert find_notification(connection, "acme", n).recipients == 2
        alice, bob = (find_user(connection, "acme", name) for name in ("alice", "bob"))
    assert (alice.email, alice.locale, bob.email) == ("a@example.test", "de", "b@example.test")


def test_a_channel_asked_for_leaves_a_record_for_those_without_an_address(engine):
    create_tenant(engine)
    create_users(engine, ["alice"], email=True)
    create_users(engine, ["bob"])
    n = accept_one(engine, audience={"users": [{"id": "alice"}, {"id": "bob"}]}, channels=["email"])
    expand_all(engine, n)
    assert [r[:2] for r in rows(engine, deliveries.c.channel, deliveries.c.state)] == [
        ("email", "pending"),
        ("email", "suppressed"),
    ]


def test_a_disabled_address_is_not_used(engine):
    create_tenant(engine)
    ids = create_users(engine, ["alice"], device=True)
    with write(engine) as connection:
        [address] = connection.execute(select(addresses.c.id).where(addresses.c.user_id == ids["alice"]))
        disable_addresses(connection, {address.id: "gone"}, NOW, NOW)
    expand_all(engine, accept_one(engine))
    assert [r[0] for r in rows(engine, deliveries.c.channel)] == ["in_app"]


def test_a_channel_asked_for_says_why_the_address_there_is_not_used(engine):
    create_tenant(engine)
    create_users(engine, ["alice"], email=True, device=True)
    create_users(engine, ["bob"])
    with write(engine) as connection:
        ids = connection.execute(select(addresses.c.id).order_by(addresses.c.id)).scalars().all()
        disable_addresses(connection, {ids[0]: "550 no such user", ids[1]: "x" * 600}, NOW, NOW)
    everybody = {"users": [{"id": "alice"}, {"id": "bob"}]}
    expand_all(engine, accept_one(engine, audience=everybody, channels=["email", "push"]))
    told = rows(engine, deliveries.c.channel, deliveries.c.reason)
    assert [row[1] for row in told if row[0] == "email"] == [
        "the address is disabled: 550 no such user",
        "the user has no address on this channel",
    ]
    [of_alice, _] = [row[1] for row in told if row[0] == "push"]
    assert of_alice.startswith("the address is disabled: xxx")


def test_people_named_inline_are_created(engine):
    create_tenant(engine)
    audience = {"users": [{"id": "zoe", "email": "zoe@example.test", "locale": "fr"}]}
    expand_all(engine, accept_one(engine, audience=audience))
    assert sorted(r[0] for r in rows(engine, deliveries.c.channel)) == ["email", "in_app"]
    with read(engine) as connection:
        assert find_user(connection, "acme", "zoe").locale == "fr"


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_every_page_size_reaches_everyone_once(engine, size):
    create_tenant(engine, "acme")
    create_tenant(engine, "umbrella")
    create_users(engine, [f"u{i}" for i in range(7)])
    create_users(engine, ["stranger"], tenant="umbrella")
    n = accept_one(engine, audience={"tenant": True})
    expand_all(engine, n, size=size)
    users = rows(engine, deliveries.c.user_id)
    assert len(users) == len(set(users)) == 7


def test_a_topic_reaches_its_members(engine):
    create_tenant(engine)
    ids = create_users(engine, ["alice", "bob", "carol"])
    with write(engine) as connection:
        subscribe(connection, "acme", "news", [ids["alice"], ids["carol"]], NOW)
    n = accept_one(engine, audience={"topic": "news"})
    expand_all(engine, n, size=1)
    assert [r[0] for r in rows(engine, deliveries.c.user_id)] == [ids["alice"], ids["carol"]]


def test_an_empty_audience_is_finished_at_once(engine):
    create_tenant(engine)
    assert len(expand_all(engine, accept_one(engine, audience={"topic": "nobody"}))) == 1


def test_what_is_finished_or_unknown_is_left_alone(engine):
    create_tenant(engine)
    n = accept_one(engine)
    expand_all(engine, n)
    with write(engine) as connection:
        assert expand_page(connection, n, NOW) is None
        assert expand_page(connection, uuid4(), NOW) is None


def test_a_page_that_is_rolled_back_is_written_again_without_a_gap(engine):
    create_tenant(engine)
    create_users(engine, [f"u{i}" for i in range(4)])
    n = accept_one(engine, audience={"tenant": True})

    class Killed(Exception):
        pass

    def die_after_a_page() -> None:
        with write(engine) as connection:
            expand_page(connection, n, NOW, 2)
            raise Killed

    for _ in range(3):
        with pytest.raises(Killed):
            die_after_a_page()
        assert rows(engine, deliveries.c.id) == []
    expand_all(engine, n, size=2)
    assert len(rows(engine, deliveries.c.id)) == 4
    with read(engine) as connection:
        assert connection.execute(select(events.c.seq)).scalars().all() == [1] * 4


def test_workers_that_meet_at_one_notification_do_the_work_once(engine):
    create_tenant(engine)
    create_users(engine, [f"u{i}" for i in range(30)])
    n = accept_one(engine, audience={"tenant": True})

    finished = threading.Event()

    def work(_: int) -> None:
        while not finished.is_set():
            with write(engine) as connection:
                page = expand_page(connection, n, NOW, 3)
            if page is not None and page.finished:
                finished.set()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    with read(engine) as connection:
        assert connection.execute(select(notifications.c.state)).scalar_one() == "expanded"
        assert connection.execute(select(func.count()).select_from(events)).scalar_one() == 30
    assert len(rows(engine, deliveries.c.id)) == 30


def test_notifications_to_the_same_people_number_their_rooms_without_gaps(engine):
    create_tenant(engine)
    names = [f"u{i}" for i in range(20)]
    create_users(engine, names)
    ids = [accept_one(engine, audience={"users": [{"id": u} for u in reversed(names)]}) for _ in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: expand_all(engine, n, size=7), ids))
    with read(engine) as connection:
        replay = read_after(connection, "acme", "u3", Cursor(epoch(connection), {"user:u3": 0}), NOW)
    assert [e.seq for e in replay.events] == list(range(1, 9))


def test_in_app_is_sent_by_the_page_that_writes_it_to_the_log(engine):
    create_tenant(engine)
    create_users(engine, ["alice", "bob", "carol"], email=True)
    n = accept_one(engine, audience={"tenant": True})
    for page in expand_all(engine, n, size=2)[:2]:
        assert page.channels == {"email"}
        assert page.in_app.lease is None
        assert len(page.in_app.messages) == page.recipients
    columns = ("state", "attempts", "due_at", "sent_at", "lease", "seq")
    sent = rows(engine, *(deliveries.c[name] for name in columns), channel="in_app")
    assert sent == [("sent", 1, None, NOW, None, 1)] * 3
    with read(engine) as connection:
        assert connection.execute(select(events.c.notification_id, events.c.seq)).all() == [(n, 1)] * 3
    with write(engine) as connection:
        assert claim(connection, "in_app", POLICY, 10, 60, NOW + timedelta(hours=1)).messages == []


def test_a_page_says_of_its_deliveries_what_a_claim_says(engine):
    create_tenant(engine)
    people = [{"id": "alice", "locale": "fr"}, {"id": "bob"}]
    # Two users twice, so that the numbers are not all the same.
    fail_to_publish(engine, expand_all(engine, accept_one(engine, audience={"users": people[:1]})))
    with write(engine) as connection:
        assert len(claim(connection, "in_app", POLICY, 10, 60, NOW).messages) == 1
    [page] = expand_all(engine, accept_one(engine, audience={"users": people}))
    fail_to_publish(engine, [page])
    with write(engine) as connection:
        claimed = claim(connection, "in_app", POLICY, 10, 60, NOW).messages
    assert {c.user: (c.locale, c.seq, c.failed) for c in claimed} == {"alice": ("fr", 2, 1), "bob": (None, 1, 1)}
    assert sorted(claimed) == sorted(c._replace(failed=1) for c in page.in_app.messages)


@pytest.mark.parametrize(
    ("other", "state"),
    [({"mode": "test"}, ("pending", None)), ({"expires_at": NOW}, ("pending", 1))],
    ids=["a test key's", "expired"],
)
def test_what_must_not_be_published_is_left_for_a_claim(engine, other, state):
    create_tenant(engine)
    [page] = expand_all(engine, accept_one(engine, **other))
    assert (page.in_app, page.channels) == (None, {"in_app"})
    assert rows(engine, deliveries.c.state, deliveries.c.seq) == [state]
    with write(engine) as connection:
        batch = claim(connection, "in_app", POLICY, 10, 60, NOW)
    assert ([c.mode for c in batch.messages], len(batch.settled)) == ((["test"], 0) if "mode" in other else ([], 1))


def test_a_test_key_s_notification_is_no_event(engine):
    create_tenant(engine)
    create_users(engine, ["alice"], device=True)
    expand_all(engine, accept_one(engine, mode="test"))
    assert sorted(r[0] for r in rows(engine, deliveries.c.channel)) == ["in_app", "push"]
    with read(engine) as connection:
        assert connection.execute(select(func.count()).select_from(events)).scalar_one() == 0


def test_a_recall_cancels_what_is_pending_and_withdraws_what_was_shown(engine):
    create_tenant(engine)
    create_users(engine, [f"u{i}" for i in range(5)], email=True, device=True)
    n = accept_one(engine, audience={"tenant": True})
    expand_all(engine, n)
    with write(engine) as connection:
        shown = deliveries.c.channel == "push"
        connection.execute(deliveries.update().where(shown).values(state="sent", due_at=None))
    with write(engine) as connection:
        assert recall(connection, "acme", n, NOW)
        assert not recall(connection, "acme", n, NOW)
        assert not recall(connection, "umbrella", n, NOW)
    pages = expand_all(engine, n, size=2)
    assert {page.in_app for page in pages} == {None}, "withdrawals are claimed"
    with read(engine) as connection:
        counts = inspect.count_deliveries(connection, n)
        position = Cursor(epoch(connection), {"user:u0": 0})
        replay = read_after(connection, "acme", "u0", position, NOW)
    assert counts == {"email": {"cancelled": 5}, "in_app": {"sent": 5}, "push": {"sent": 5}}
    withdrawals = rows(engine, deliveries.c.channel, deliveries.c.state, action="withdraw")
    assert sorted(withdrawals) == [("in_app", "pending")] * 5 + [("push", "pending")] * 5
    assert [(e.seq, e.type, e.withdrawn) for e in replay.events] == [
        (1, "notification:new", True),
        (2, "notification:deleted", True),
    ]


def test_a_recall_during_expansion_stops_it(engine):
    create_tenant(engine)
    create_users(engine, [f"u{i}" for i in range(6)])
    n = accept_one(engine, audience={"tenant": True})
    with write(engine) as connection:
        expand_page(connection, n, NOW, 2)
    with write(engine) as connection:
        recall(connection, "acme", n, NOW)
    expand_all(engine, n, size=2)
    assert len(rows(engine, deliveries.c.id, action="show")) == 2
