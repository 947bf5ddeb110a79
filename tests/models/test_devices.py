from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread

from sqlalchemy import event, select, update

from models.addresses import devices
from models.addresses.devices import EXPIRED, MAX_DEVICES, Registered
from models.addresses.queries import disable_addresses, usable_addresses
from models.addresses.tables import addresses
from models.deliveries.claim import claim
from models.deliveries.tables import deliveries
from models.retry import RetryPolicy
from models.sql.engine import read, write
from tests.factories import NOW, accept_one, create_tenant, create_users, expand_all

POLICY = RetryPolicy(1, 10, 3)


def give(engine, user_id: int, token: str, *, tenant: str = "acme", now=NOW) -> Registered | None:
    with write(engine) as connection:
        return devices.add_device(connection, tenant, user_id, "token", token, None, now)


def owners(engine) -> list[tuple[str, int]]:
    with read(engine) as connection:
        rows = connection.execute(select(addresses.c.tenant_id, addresses.c.user_id).order_by(addresses.c.id))
        return [tuple(row) for row in rows]


def pushes(engine, column) -> list:
    with read(engine) as connection:
        return list(connection.execute(select(column).where(deliveries.c.channel == "push")).scalars())


def test_a_device_moves_to_whoever_signs_in_on_it_and_who_had_it_is_said(engine):
    create_tenant(engine)
    ids = create_users(engine, ["alice", "bob"])
    first = give(engine, ids["alice"], "shared-phone")
    assert first.moved_from is None
    assert give(engine, ids["alice"], "shared-phone") == first
    assert give(engine, ids["bob"], "shared-phone") == Registered(first.id, "alice")
    assert owners(engine) == [("acme", ids["bob"])]


def test_a_device_of_another_tenant_does_not_move(engine):
    create_tenant(engine)
    create_tenant(engine, "umbra")
    ids = create_users(engine, ["alice"])
    theirs = create_users(engine, ["carol"], tenant="umbra")
    give(engine, ids["alice"], "phone")
    assert give(engine, theirs["carol"], "phone", tenant="umbra") is None
    assert owners(engine) == [("acme", ids["alice"])]


def test_once_the_index_over_all_tenants_is_gone_each_tenant_has_the_device_for_itself(engine):
    """The schema that ADR 31 leads to, with the code of today."""
    create_tenant(engine)
    create_tenant(engine, "umbra")
    ids = create_users(engine, ["alice", "bob"])
    theirs = create_users(engine, ["carol"], tenant="umbra")
    with write(engine) as connection:
        connection.exec_driver_sql("CREATE UNIQUE INDEX own ON addresses (tenant_id, value) WHERE channel = 'push'")
        connection.exec_driver_sql("DROP INDEX uq_addresses_device")
    ours = give(engine, ids["alice"], "phone")
    other = give(engine, theirs["carol"], "phone", tenant="umbra")
    assert other.moved_from is None
    assert give(engine, ids["bob"], "phone") == Registered(ours.id, "alice")
    with write(engine) as connection:
        disable_addresses(connection, {ours.id: "gone"}, NOW, NOW)
    assert owners(engine) == [("acme", ids["bob"]), ("umbra", theirs["carol"])]
    with read(engine) as connection:
        usable = {name: usable_addresses(connection, row, NOW) for name, row in (ids | theirs).items()}
    assert {name: len(found) for name, found in usable.items()} == {"alice": 0, "bob": 0, "carol": 1}


def test_a_device_that_is_deleted_while_it_is_registered_again_is_not_one_of_another_tenant(engine):
    create_tenant(engine)
    ids = create_users(engine, ["alice"])
    give(engine, ids["alice"], "phone")
    inserts = []

    def delete_it(connection, _cursor, statement, *_):
        if statement.startswith("INSERT INTO addresses"):
            inserts.append(statement)
            if len(inserts) == 1:
                connection.exec_driver_sql("DELETE FROM addresses")

    event.listen(engine, "after_cursor_execute", delete_it)
    assert give(engine, ids["alice"], "phone") is not None
    assert len(inserts) == 2
    assert owners(engine) == [("acme", ids["alice"])]


def test_two_who_sign_in_at_once_do_not_share_a_device(engine):
    create_tenant(engine)
    ids = create_users(engine, ["alice", "bob"])
    together = Barrier(2)
    registered = []

    def sign_in(name: str) -> None:
        together.wait()
        registered.append(give(engine, ids[name], "shared-phone"))

    threads = [Thread(target=sign_in, args=(name,)) for name in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(owners(engine)) == 1
    assert {one.id for one in registered} == {registered[0].id}
    # The second one is told of the first.
    assert [one.moved_from for one in registered].count(None) == 1


def test_what_waits_for_the_one_before_does_not_ring_on_a_phone_that_changed_hands(engine):
    create_tenant(engine)
    ids = create_users(engine, ["alice", "bob"], device=False)
    give(engine, ids["alice"], "shared-phone")
    expand_all(engine, accept_one(engine, channels=["push"]))
    give(engine, ids["bob"], "shared-phone", now=NOW + timedelta(seconds=1))
    with write(engine) as connection:
        taken = claim(connection, "push", POLICY, 10, 60, NOW + timedelta(seconds=2))
    assert (taken.messages, len(taken.settled)) == ([], 1)
    assert pushes(engine, deliveries.c.reason) == ["the device moved to another user"]
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
    ids = [give(engine, alice, f"phone-{n}", now=NOW + timedelta(seconds=n)).id for n in range(MAX_DEVICES)]
    with write(engine) as connection:
        connection.execute(update(addresses).where(addresses.c.id == ids[-1]).values(disabled_at=NOW))
    newest = give(engine, alice, "one more", now=NOW + timedelta(minutes=1)).id
    with read(engine) as connection:
        kept = connection.execute(select(addresses.c.id).order_by(addresses.c.id)).scalars().all()
    assert kept == [*ids[:-1], newest]
