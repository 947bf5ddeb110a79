from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread

from sqlalchemy import select, update

from models.addresses import devices
from models.addresses.devices import EXPIRED, MAX_DEVICES
from models.addresses.tables import addresses
from models.deliveries.claim import claim
from models.deliveries.tables import deliveries
from models.retry import RetryPolicy
from models.sql.engine import read, write
from tests.factories import NOW, accept_one, create_tenant, create_users, expand_all

POLICY = RetryPolicy(1, 10, 3)


def give(engine, user_id: int, token: str, *, tenant: str = "acme", now=NOW) -> int:
    with write(engine) as connection:
        return devices.add_device(connection, tenant, user_id, "token", token, None, now)


def owners(engine) -> list[tuple[str, int]]:
    with read(engine) as connection:
        rows = connection.execute(select(addresses.c.tenant_id, addresses.c.user_id).order_by(addresses.c.id))
        return [tuple(row) for row in rows]


def pushes(engine, column) -> list:
    with read(engine) as connection:
        return list(connection.execute(select(column).where(deliveries.c.channel == "push")).scalars())


def test_a_device_moves_to_whoever_signs_in_on_it(engine):
    create_tenant(engine)
    create_tenant(engine, "umbra")
    ids = create_users(engine, ["alice", "bob"])
    theirs = create_users(engine, ["carol"], tenant="umbra")
    give(engine, ids["alice"], "shared-phone")
    give(engine, ids["bob"], "shared-phone")
    assert owners(engine) == [("acme", ids["bob"])]
    give(engine, theirs["carol"], "shared-phone", tenant="umbra")
    assert owners(engine) == [("umbra", theirs["carol"])]


def test_two_who_sign_in_at_once_do_not_share_a_device(engine):
    create_tenant(engine)
    ids = create_users(engine, ["alice", "bob"])
    together = Barrier(2)

    def sign_in(name: str) -> None:
        together.wait()
        give(engine, ids[name], "shared-phone")

    threads = [Thread(target=sign_in, args=(name,)) for name in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(owners(engine)) == 1


def test_what_waits_for_the_one_before_does_not_ring_on_a_phone_that_changed_hands(engine):
    create_tenant(engine)
    ids = create_users(engine, ["alice", "bob"], device=False)
    give(engine, ids["alice"], "shared-phone")
    expand_all(engine, accept_one(engine, channels=["push"]))
    give(engine, ids["bob"], "shared-phone", now=NOW + timedelta(seconds=1))
    with write(engine) as connection:
        taken = claim(connection, "push", POLICY, 10, 60, NOW + timedelta(seconds=2))
    assert (taken.messages, len(taken.settled)) == ([], 1)
    assert pushes(engine, deliveries.c.reason) == ["the address was removed"]
    expand_all(engine, accept_one(engine, channels=["push"], audience={"users": [{"id": "bob"}]}))
    with write(engine) as connection:
        [ready] = claim(connection, "push", POLICY, 10, 60, NOW + timedelta(seconds=2)).messages
    assert (ready.user, ready.address) == ("bob", "shared-phone")


def test_an_expired_device_is_not_tried_and_a_stale_one_is(engine):
    create_tenant(engine)
    create_users(engine, ["alice"], device=True)
    for unseen, states in ((EXPIRED - timedelta(seconds=1), ["pending"]), (EXPIRED, ["pending", "suppressed"])):
        with write(engine) as connection:
            connection.execute(update(addresses).values(last_seen_at=NOW - unseen))
        expand_all(engine, accept_one(engine, channels=["push"]))
        assert sorted(pushes(engine, deliveries.c.state)) == states


def test_expired_devices_are_forgotten_some_at_a_time_and_mailboxes_never(engine):
    create_tenant(engine)
    create_users(engine, ["alice", "bob", "carol"], email=True, device=True, now=NOW - EXPIRED)
    create_users(engine, ["dave"], email=True, device=True)
    gone = []
    while not gone or gone[-1]:
        with write(engine) as connection:
            gone.append(devices.purge_devices(connection, NOW, 2))
    assert gone == [2, 1, 0]
    with read(engine) as connection:
        left = connection.execute(select(addresses.c.value).order_by(addresses.c.value)).scalars().all()
    assert left == [
        "alice@example.test",
        "bob@example.test",
        "carol@example.test",
        "dave-phone",
        "dave@example.test",
    ]


def test_disabled_devices_go_first_where_a_user_has_too_many(engine):
    create_tenant(engine)
    [alice] = create_users(engine, ["alice"]).values()
    ids = [give(engine, alice, f"phone-{n}", now=NOW + timedelta(seconds=n)) for n in range(MAX_DEVICES)]
    with write(engine) as connection:
        connection.execute(update(addresses).where(addresses.c.id == ids[-1]).values(disabled_at=NOW))
    newest = give(engine, alice, "one more", now=NOW + timedelta(minutes=1))
    with read(engine) as connection:
        kept = connection.execute(select(addresses.c.id).order_by(addresses.c.id)).scalars().all()
    assert kept == [*ids[:-1], newest]
