from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, select

from models.deliveries.claim import claim
from models.deliveries.lifecycle import Failure, State, Transition
from models.deliveries.record import record
from models.deliveries.tables import deliveries
from models.events import publishing as outbox
from models.events.cursor import Cursor
from models.events.log import epoch, read_after
from models.inbox import changes as inbox_change
from models.inbox import queries as inbox
from models.inbox.changes import ARCHIVE, DELETE, READ, SEEN, UNARCHIVE, UNREAD, change_items, change_page
from models.inbox.queries import Counts, Filter
from models.notifications.recall import recall
from models.retry import RetryPolicy
from models.rooms.tables import rooms
from models.sql.engine import read, write
from tests.factories import NOW, accept_one, create_tenant, create_users, expand_all, fail_to_publish

SOON = NOW + timedelta(minutes=1)
POLICY = RetryPolicy(1, 10, None)
ALL = Filter()
SENT = Transition(State.SENT, 1)
OPERATIONS = {
    "seen": SEEN,
    "read": READ,
    "unread": UNREAD,
    "archive": ARCHIVE,
    "unarchive": UNARCHIVE,
    "delete": DELETE,
}


@pytest.fixture
def people(engine):
    create_tenant(engine)
    create_tenant(engine, "umbrella")
    create_users(engine, ["alice", "bob"], device=True, email=True)
    create_users(engine, ["alice"], tenant="umbrella")


def notify(engine, *users: str, n: int = 1, **other) -> list[UUID]:
    """Notifications in the inboxes of these users, oldest first."""
    ids = []
    for _ in range(n):
        ids.append(accept_one(engine, audience={"users": [{"id": u} for u in users or ("alice",)]}, **other))
        expand_all(engine, ids[-1])
    return ids


def do(engine, operation, ids, user="alice", tenant="acme", now=SOON):
    with write(engine) as connection:
        return change_items(connection, tenant, user, operation, ids, now)


def do_page(engine, operation, which=ALL, user="alice", tenant="acme", now=SOON, **other):
    with write(engine) as connection:
        return change_page(connection, tenant, user, operation, which, now, **other)


def counts(engine, user="alice", tenant="acme", now=SOON) -> Counts:
    with read(engine) as connection:
        return inbox.counts_for(connection, tenant, [user], now)[user]


def listed(engine, which=ALL, user="alice", tenant="acme", now=SOON, **other) -> list[UUID]:
    with read(engine) as connection:
        items = inbox.list_items(connection, tenant, user, which, now, **other)
    return [UUID(item.content.notification_id) for item in items]


def find(engine, n, user="alice", tenant="acme", now=SOON):
    with read(engine) as connection:
        return inbox.find_item(connection, tenant, user, n, now)


def heard(engine, room="user:alice", tenant="acme") -> list[tuple[str, dict]]:
    """The events of the room that have been written for publishing, in order."""
    with read(engine) as connection:
        cursor = Cursor(epoch(connection), {room: 0})
        replay = read_after(connection, tenant, room.removeprefix("user:"), cursor, SOON, limit=10_000)
    return [(e.type, e.data) for e in replay.events if e.data is not None]


def states(engine, n, user="alice", action="show") -> dict[str, tuple[str, str | None]]:
    with read(engine) as connection:
        rows = connection.execute(
            select(deliveries.c.channel, deliveries.c.state, deliveries.c.reason)
            .join(rooms, rooms.c.user_id == deliveries.c.user_id)
            .where(deliveries.c.notification_id == n, deliveries.c.action == action, rooms.c.key == user)
        ).all()
    return {row.channel: (row.state, row.reason) for row in rows}


def send(engine, channel, now=NOW, outcome: Transition | None = SENT):
    with write(engine) as connection:
        batch = claim(connection, channel, POLICY, 100, 60, now)
        if outcome is not None:
            record(connection, batch.lease, [(m.delivery_id, outcome) for m in batch.messages], now)
    return batch


def wait_for_locks(engine) -> None:
    """On PostgreSQL, for as long as a statement may take (10 s) and not 3 s: on a busy machine the last in the queue
    waits for longer than a caller of the API should.
    """
    if engine.dialect.name == "postgresql":

        @event.listens_for(engine, "connect")
        def _wait(connection, _record):
            connection.execute("SET lock_timeout = 0")
            connection.commit()

        engine.dispose()


@contextmanager
def statements(engine):
    said: list[str] = []

    def hear(_connection, _cursor, statement, *_):
        said.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    yield said
    event.remove(engine, "before_cursor_execute", hear)


# Looking


def test_the_newest_comes_first_in_pages(engine, people):
    ids = notify(engine, "alice", "bob", n=5)[::-1]
    assert listed(engine) == ids
    assert listed(engine, limit=2) == ids[:2]
    assert listed(engine, before=ids[1], limit=2) == ids[2:4]
    assert listed(engine, before=ids[4]) == []


def test_filters(engine, people):
    [a] = notify(engine, category="billing", type="invoice", level="warning")
    [b] = notify(engine, category="social", type="like")
    [c] = notify(engine)
    do(engine, READ, [b])
    do(engine, ARCHIVE, [c])
    assert listed(engine) == [b, a]
    assert listed(engine, Filter("unread")) == [a]
    assert listed(engine, Filter("read")) == [b]
    assert listed(engine, Filter("archived")) == [c]
    assert listed(engine, Filter(category="billing")) == [a]
    assert listed(engine, Filter(type="like")) == [b]
    assert listed(engine, Filter(level="warning")) == [a]
    assert listed(engine, Filter("read", category="billing")) == []
    assert listed(engine, Filter(up_to=a)) == [a]


def test_an_item_tells_its_content_and_its_state(engine, people):
    [n] = notify(engine, title="Hi", category="c")
    do(engine, READ, [n])
    item = find(engine, n)
    assert (item.content.title, item.content.category, item.seq) == ("Hi", "c", 1)
    assert (item.seen_at, item.read_at, item.archived_at) == (SOON, SOON, None)


def test_what_has_expired_is_neither_listed_nor_counted_nor_changed(engine, people):
    [n] = notify(engine, expires_at=SOON)
    assert counts(engine, now=NOW) == Counts(1, 1, 1)
    assert counts(engine) == Counts()
    assert listed(engine) == []
    assert find(engine, n) is None
    assert do(engine, READ, [n]).ids == []
    assert do_page(engine, READ).ids == []


def test_what_is_being_recalled_is_withheld_at_once(engine, people):
    [n] = notify(engine, "alice", "bob")
    with write(engine) as connection:
        recall(connection, "acme", n, NOW)
    assert listed(engine) == []
    assert find(engine, n) is None
    expand_all(engine, n)
    assert counts(engine) == Counts()


def test_a_test_key_s_notification_is_in_no_inbox(engine, people):
    notify(engine, mode="test")
    assert listed(engine) == []


def test_the_counts_of_many_come_in_one_statement(engine, people):
    ids = notify(engine, "alice", "bob", n=3)
    do(engine, READ, ids[:1], user="bob")
    do(engine, SEEN, ids[1:2], user="bob")
    with statements(engine) as said, read(engine) as connection:
        found = inbox.counts_for(connection, "acme", ["alice", "bob", "nobody"], SOON)
    assert found == {"alice": Counts(3, 3, 3), "bob": Counts(2, 1, 3), "nobody": Counts()}
    assert len([s for s in said if "SELECT" in s]) == 1
    with read(engine) as connection:
        assert inbox.counts_for(connection, "umbrella", ["alice"], SOON) == {"alice": Counts()}
        assert inbox.counts_for(connection, "acme", [], SOON) == {}


# Changing


@pytest.mark.parametrize(
    ("prepare", "operation", "name", "column", "after"),
    [
        ([], SEEN, "notification:seen", "seen_at", Counts(3, 1, 3)),
        ([], READ, "notification:read", "read_at", Counts(1, 1, 3)),
        ([READ], UNREAD, "notification:unread", "read_at", Counts(3, 1, 3)),
        ([], ARCHIVE, "notification:archived", "archived_at", Counts(1, 1, 1)),
        ([ARCHIVE], UNARCHIVE, "notification:unarchived", "archived_at", Counts(3, 1, 3)),
        ([], DELETE, "notification:deleted", "deleted_at", Counts(1, 1, 1)),
    ],
    ids=list(OPERATIONS),
)
def test_a_change_is_heard_once_with_the_counts_after_it(engine, people, prepare, operation, name, column, after):
    ids = notify(engine, "alice", "bob", n=3)
    chosen = ids[:2]
    for earlier in prepare:
        do(engine, earlier, chosen)
    before = len(heard(engine))
    changed = do(engine, operation, [*chosen, uuid4()])
    assert changed.ids == chosen[::-1]
    assert changed.counts == after == counts(engine)
    newest = str(chosen[1])
    moment = None if operation.clears else "2026-01-01T12:01:00.000Z"
    assert heard(engine)[before:] == [
        (name, {"id": newest, "notification_id": newest, "ids": [newest, str(chosen[0])], column: moment}),
        ("notification:count", after.data()),
    ]
    again = do(engine, operation, chosen)
    assert (again.ids, again.counts, again.push_due) == ([], None, False)
    assert len(heard(engine)) == before + 2
    # Nobody else's inbox has changed, and nobody else has heard of it.
    assert counts(engine, "bob") == Counts(3, 3, 3)
    assert heard(engine, "user:bob") == []


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))
@pytest.mark.parametrize(("user", "tenant"), [("bob", "acme"), ("alice", "umbrella"), ("nobody", "acme")])
def test_nobody_changes_what_is_not_theirs(engine, people, operation, user, tenant):
    [n] = notify(engine, "alice")
    if operation.clears:
        do(engine, READ, [n])
        do(engine, ARCHIVE, [n])
    before = counts(engine), find(engine, n), heard(engine)
    assert do(engine, operation, [n], user, tenant).ids == []
    assert do_page(engine, operation, user=user, tenant=tenant).ids == []
    assert (counts(engine), find(engine, n), heard(engine)) == before
    assert find(engine, n, user, tenant) is None
    with read(engine) as connection:
        assert not inbox.were_theirs(connection, tenant, user, [n])
        assert inbox.newest(connection, tenant, user) is None


def test_what_was_deleted_is_gone_but_was_theirs(engine, people):
    [n] = notify(engine)
    do(engine, DELETE, [n])
    assert find(engine, n) is None
    assert do(engine, READ, [n]).ids == []
    with read(engine) as connection:
        assert inbox.were_theirs(connection, "acme", "alice", [uuid4(), n])
        assert inbox.newest(connection, "acme", "alice") == n


def test_read_all_by_filter_says_what_it_has_read(engine, people):
    [a] = notify(engine, category="billing", type="invoice")
    [b] = notify(engine, category="billing", type="receipt")
    [c] = notify(engine, category="social")
    [d] = notify(engine, category="billing")
    changed = do_page(engine, READ, Filter(category="billing", up_to=c))
    assert changed.ids == [b, a]
    assert listed(engine, Filter("unread")) == [d, c]
    assert heard(engine) == [
        (
            "notification:read_all",
            {"category": "billing", "up_to": str(b), "count": 2, "read_at": "2026-01-01T12:01:00.000Z"},
        ),
        ("notification:count", {"unread": 2, "unseen": 2, "total": 4}),
    ]
    assert do_page(engine, READ, Filter(category="billing", up_to=c)).ids == []
    assert len(heard(engine)) == 2


def test_seen_is_everything_up_to_what_was_on_the_screen(engine, people):
    ids = notify(engine, n=3)
    assert do_page(engine, SEEN, Filter(up_to=ids[1])).ids == ids[1::-1]
    assert counts(engine) == Counts(3, 1, 3)
    assert heard(engine)[0] == (
        "notification:seen",
        {"up_to": str(ids[1]), "count": 2, "seen_at": "2026-01-01T12:01:00.000Z"},
    )


def test_clear_empties_the_inbox_and_leaves_what_is_archived(engine, people):
    ids = notify(engine, n=4)
    do(engine, ARCHIVE, ids[:1])
    do(engine, READ, ids[1:2])
    assert do_page(engine, DELETE, Filter("read")).ids == [ids[1]]
    assert do_page(engine, DELETE).ids == [ids[3], ids[2]]
    assert heard(engine)[-2][0] == "notification:deleted"
    assert heard(engine)[-2][1]["ids"] == [str(ids[3]), str(ids[2])]
    assert counts(engine) == Counts()
    assert listed(engine, Filter("archived")) == ids[:1]
    assert do_page(engine, DELETE, Filter("archived")).ids == ids[:1]


def test_a_large_inbox_is_read_in_pages_each_true_by_itself(engine, people):
    ids = notify(engine, n=7)
    pages = []
    while (page := do_page(engine, READ, limit=3)).more:
        pages.append(page)
    pages.append(page)
    assert [p.ids for p in pages] == [ids[2::-1], ids[5:2:-1], ids[6:]]
    events = [(name, data.get("up_to"), data.get("unread")) for name, data in heard(engine)]
    assert events == [
        ("notification:read_all", str(ids[2]), None),
        ("notification:count", None, 4),
        ("notification:read_all", str(ids[5]), None),
        ("notification:count", None, 1),
        ("notification:read_all", str(ids[6]), None),
        ("notification:count", None, 0),
    ]


def test_an_event_lives_as_long_as_what_it_is_about(engine, people):
    [short] = notify(engine, expires_at=NOW + timedelta(hours=3))
    [long] = notify(engine, expires_at=NOW + timedelta(hours=9))
    do(engine, READ, [short, long])
    with read(engine) as connection:
        cursor = Cursor(epoch(connection), {"user:alice": 2})
        then = NOW + timedelta(hours=8)
        replay = read_after(connection, "acme", "alice", cursor, then)
    # The count was true for a moment only.
    assert [e.type for e in replay.events] == ["notification:read"]


def test_a_change_waits_to_be_published(engine, people):
    [n] = notify(engine)
    do(engine, READ, [n])
    with write(engine) as connection:
        waiting = outbox.take_unpublished(connection, SOON, SOON, 10)
    assert [(u.event.seq, u.event.type) for u in waiting] == [(2, "notification:read"), (3, "notification:count")]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))
def test_a_change_takes_as_many_statements_for_a_hundred_as_for_one(engine, people, operation):
    ids = notify(engine, n=12)
    if operation.clears:
        do(engine, READ, ids)
        do(engine, ARCHIVE, ids)
    with statements(engine) as one:
        assert len(do(engine, operation, ids[:1]).ids) == 1
    with statements(engine) as many:
        assert len(do(engine, operation, ids[1:]).ids) == 11
    assert one == many
    assert len(one) <= 20


def test_a_page_takes_as_many_statements_for_a_hundred_as_for_one(engine, people):
    notify(engine, n=12)
    with statements(engine) as one:
        assert len(do_page(engine, READ, limit=1).ids) == 1
    with statements(engine) as many:
        assert len(do_page(engine, READ).ids) == 11
    assert one == many


def test_a_list_is_one_statement(engine, people):
    notify(engine, n=5)
    with statements(engine) as said:
        assert len(listed(engine)) == 5
    assert len([s for s in said if "SELECT" in s]) == 1


def test_readers_that_meet_change_each_item_once(engine, people):
    wait_for_locks(engine)
    ids = notify(engine, n=20)

    def work(number: int) -> list[UUID]:
        if number % 2:
            return do_page(engine, READ, limit=7).ids
        return do(engine, READ, ids[number : number + 10]).ids

    with ThreadPoolExecutor(4) as pool:
        changed = [n for found in pool.map(work, range(8)) for n in found]
    assert len(changed) == len(set(changed))
    last = [data for name, data in heard(engine) if name == "notification:count"][-1]
    assert last == counts(engine).data()
    assert last["unread"] == 20 - len(changed)


def test_a_reader_and_a_recall_never_wait_for_each_other(engine, people):
    a, b = notify(engine, n=2)
    send(engine, "push")
    with write(engine) as connection:
        recall(connection, "acme", a, NOW)
    with ThreadPoolExecutor(1) as pool:
        with write(engine) as connection:
            change_items(connection, "acme", "alice", READ, [b], SOON)
            recalling = pool.submit(expand_all, engine, a)
            # Until it waits for the room.
            time.sleep(0.3)
            change_items(connection, "acme", "alice", READ, [a], SOON)
        recalling.result()
    assert counts(engine) == Counts(0, 0, 1)


# Elsewhere


@pytest.mark.parametrize(
    ("operation", "reason"),
    [(READ, "read"), (ARCHIVE, "archived"), (DELETE, "deleted")],
    ids=["read", "archive", "delete"],
)
def test_what_is_still_on_its_way_elsewhere_is_cancelled(engine, people, operation, reason):
    a, b = notify(engine, "alice", "bob", n=2)
    assert not do(engine, operation, [a]).push_due
    assert states(engine, a) == {
        "in_app": ("acked", None),
        "push": ("cancelled", reason),
        "email": ("cancelled", reason),
    }
    assert states(engine, a, action="withdraw") == {}
    untouched = {"in_app": ("sent", None), "push": ("pending", None), "email": ("pending", None)}
    assert states(engine, b) == states(engine, a, "bob") == untouched


def test_a_page_withdraws_as_well(engine, people):
    ids = notify(engine, "alice", "bob", n=3)
    send(engine, "push")
    assert do_page(engine, READ, limit=2).push_due
    assert [states(engine, n, action="withdraw") for n in ids] == [{"push": ("pending", None)}] * 2 + [{}]
    assert states(engine, ids[0], "bob", "withdraw") == {}


@pytest.mark.parametrize("operation", [SEEN, UNREAD, UNARCHIVE])
def test_other_changes_withdraw_nothing(engine, people, operation):
    [n] = notify(engine)
    send(engine, "push")
    if operation.clears:
        do(engine, READ, [n])
        do(engine, ARCHIVE, [n])
    before = states(engine, n), states(engine, n, action="withdraw")
    assert do(engine, operation, [n]).ids == [n]
    assert (states(engine, n), states(engine, n, action="withdraw")) == before


def test_what_devices_show_is_taken_back_once(engine, people):
    [n] = notify(engine, "alice", "bob")
    send(engine, "push")
    assert do(engine, READ, [n]).push_due
    assert states(engine, n, action="withdraw") == {"push": ("pending", None)}
    assert states(engine, n)["push"] == ("sent", None)
    [withdrawal] = send(engine, "push", SOON).messages
    assert (withdrawal.action, withdrawal.user, withdrawal.address) == ("withdraw", "alice", "alice-phone")
    # Back and forth: the device has nothing left to take back.
    do(engine, UNREAD, [n])
    assert not do(engine, READ, [n]).push_due
    assert not do(engine, DELETE, [n]).push_due


def test_what_is_being_sent_is_taken_back_behind_it(engine, people):
    [n] = notify(engine)
    batch = send(engine, "push", outcome=None)
    do(engine, READ, [n])
    assert states(engine, n)["push"] == ("cancelled", "read while it was being sent")
    # The worker's result comes too late to bring it back for another attempt.
    again = Transition(State.PENDING, 1, due_at=SOON)
    with write(engine) as connection:
        assert record(connection, batch.lease, [(batch.messages[0].delivery_id, again)], SOON) == 0
    assert send(engine, "push", NOW + timedelta(seconds=59)).messages == []
    [withdrawal] = send(engine, "push", NOW + timedelta(seconds=60)).messages
    assert withdrawal.action == "withdraw"


def test_an_attempt_that_may_have_arrived_is_taken_back(engine, people):
    [n] = notify(engine)
    send(engine, "push", outcome=Transition(State.PENDING, 1, due_at=NOW + timedelta(hours=1)))
    assert do(engine, READ, [n]).push_due
    assert states(engine, n)["push"] == ("cancelled", "read")


def test_what_never_arrived_is_not_taken_back(engine, people):
    [n] = notify(engine)
    send(engine, "push", outcome=Transition(State.DEAD, 1, failure=Failure.BAD_REQUEST, reason="refused"))
    assert not do(engine, READ, [n]).push_due
    assert states(engine, n)["push"] == ("dead", "refused")
    assert states(engine, n, action="withdraw") == {}


@pytest.mark.parametrize("state", ["sent", "pending", "sending"])
def test_an_in_app_delivery_counts_as_acknowledged_wherever_it_stands(engine, people, state):
    n = accept_one(engine)
    pages = expand_all(engine, n)
    if state != "sent":
        fail_to_publish(engine, pages)
    if state == "sending":
        send(engine, "in_app", outcome=None)
    assert states(engine, n)["in_app"][0] == state
    do(engine, READ, [n])
    assert states(engine, n)["in_app"] == ("acked", None)


def test_a_page_has_its_bound():
    assert inbox_change.PAGE == 1000
