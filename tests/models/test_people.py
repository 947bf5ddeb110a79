from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from models.addresses.mailboxes import enable_mailbox
from models.addresses.queries import disable_addresses
from models.addresses.tables import addresses
from models.deliveries.tables import deliveries
from models.rooms.tables import rooms
from models.sql.engine import read, write
from models.tenants.api_keys import create_api_key, find_api_key, list_api_keys, revoke_api_key
from models.topics.queries import subscribe, unsubscribe
from models.users.queries import Person, User, find_user, upsert_users
from models.users.tables import users
from tests.factories import NOW, accept_one, create_tenant, create_users, expand_all


def test_users_are_created_once_with_their_room(engine):
    create_tenant(engine)
    first = create_users(engine, ["alice", "bob"])
    again = create_users(engine, ["bob", "alice"])
    assert first == again
    with read(engine) as connection:
        keys = connection.execute(select(rooms.c.key).where(rooms.c.kind == "user")).scalars().all()
    assert sorted(keys) == ["alice", "bob"]


def test_an_id_means_another_person_in_another_tenant(engine):
    create_tenant(engine, "acme")
    create_tenant(engine, "umbrella")
    assert create_users(engine, ["alice"], tenant="acme") != create_users(engine, ["alice"], tenant="umbrella")


def test_a_mailbox_is_changed_in_place_and_removed(engine):
    create_tenant(engine)
    create_users(engine, ["alice"], email=True)
    with write(engine) as connection:
        before = connection.execute(select(addresses)).one()
        upsert_users(connection, "acme", [Person("alice", "new@example.test")], NOW)
        after = connection.execute(select(addresses)).one()
        assert (after.id, after.value) == (before.id, "new@example.test")
        upsert_users(connection, "acme", [Person("alice")], NOW)
        assert find_user(connection, "acme", "alice").email == "new@example.test"
        upsert_users(connection, "acme", [Person("alice", "")], NOW)
        assert find_user(connection, "acme", "alice").email is None


def disable(engine, sent_at=NOW) -> None:
    """The provider has said of what was sent at `sent_at` that there is no such mailbox."""
    with write(engine) as connection:
        ids = connection.execute(select(addresses.c.id)).scalars().all()
        disable_addresses(connection, dict.fromkeys(ids, "550 5.1.1 no such user"), sent_at, NOW)


def put_email(engine, email: str | None, now=NOW) -> User:
    with write(engine) as connection:
        upsert_users(connection, "acme", [Person("alice", email)], now)
        return find_user(connection, "acme", "alice")


def test_a_mailbox_that_is_off_stays_off_whoever_names_it_again_and_a_new_one_is_on(engine):
    create_tenant(engine)
    create_users(engine, ["alice"], email=True)
    disable(engine)
    for email in ("alice@example.test", None):
        alice = put_email(engine, email, NOW + timedelta(days=1))
        assert (alice.email, alice.email_disabled_reason) == ("alice@example.test", "550 5.1.1 no such user")
        assert alice.email_disabled_at == NOW
    # Named in the audience of a notification.
    audience = {"users": [{"id": "alice", "email": "alice@example.test"}]}
    expand_all(engine, accept_one(engine, audience=audience, channels=["email"]))
    with read(engine) as connection:
        assert connection.execute(select(deliveries.c.state)).scalars().all() == ["suppressed"]
    alice = put_email(engine, "new@example.test")
    assert (alice.email, alice.email_disabled_at, alice.email_disabled_reason) == ("new@example.test", None, None)


def test_naming_a_mailbox_again_does_not_say_that_it_is_alive(engine):
    create_tenant(engine)
    create_users(engine, ["alice"], email=True)
    put_email(engine, "alice@example.test", NOW + timedelta(seconds=5))
    disable(engine, sent_at=NOW + timedelta(seconds=1))
    assert put_email(engine, None).email_disabled_at is not None
    put_email(engine, "new@example.test", NOW + timedelta(seconds=5))
    # What was said of the mailbox before does not concern the new one.
    disable(engine, sent_at=NOW + timedelta(seconds=1))
    assert put_email(engine, None).email_disabled_at is None


def test_a_mailbox_is_switched_on_again_and_what_was_sent_before_does_not_switch_it_off(engine):
    create_tenant(engine)
    [alice] = create_users(engine, ["alice"], email=True).values()
    later = NOW + timedelta(hours=1)
    with write(engine) as connection:
        assert enable_mailbox(connection, alice, later) is False
    disable(engine)
    with write(engine) as connection:
        assert enable_mailbox(connection, alice, later) is True
    disable(engine, sent_at=NOW + timedelta(seconds=1))
    assert put_email(engine, None).email_disabled_at is None


def test_a_user_named_again_keeps_what_was_given_and_the_last_value_counts(engine):
    create_tenant(engine)
    people = [
        Person("alice", "a@example.test", "de"),
        Person("bob"),
        Person("alice"),
        Person("bob", "b@example.test"),
        Person("alice", locale="fr"),
        Person("bob", ""),
    ]
    with write(engine) as connection:
        assert len(upsert_users(connection, "acme", people, NOW)) == 2
        alice, bob = (find_user(connection, "acme", name) for name in ("alice", "bob"))
    assert (alice.email, alice.locale) == ("a@example.test", "fr")
    # "" removes the mailbox.
    assert bob.email is None


def test_only_a_given_locale_is_written(engine):
    create_tenant(engine)
    with write(engine) as connection:
        upsert_users(connection, "acme", [Person("alice", locale="de")], NOW)
        upsert_users(connection, "acme", [Person("alice")], NOW + timedelta(days=1))
        assert connection.execute(select(users.c.locale)).scalar_one() == "de"


def test_an_api_key_opens_only_as_a_whole_and_until_it_is_revoked(engine):
    create_tenant(engine)
    with write(engine) as connection:
        key = create_api_key(connection, "acme", "live", "shop", NOW, "operator ann")
        assert find_api_key(connection, key)[:2] == ("acme", "live")
        assert find_api_key(connection, key[:-1]) is None
        assert find_api_key(connection, "ck_live_00000000_x") is None
        assert all(find_api_key(connection, odd) is None for odd in ("", "\udfff", "ck_live_\0", "ü"))
        [row] = list_api_keys(connection, "acme")
        assert row.prefix in key
        assert not revoke_api_key(connection, "umbrella", row.prefix, NOW)
        assert revoke_api_key(connection, "acme", row.prefix, NOW)
        assert find_api_key(connection, key) is None


def test_subscriptions(engine):
    create_tenant(engine)
    ids = create_users(engine, ["alice", "bob"])
    with write(engine) as connection:
        subscribe(connection, "acme", "news", list(ids.values()), NOW)
        subscribe(connection, "acme", "news", list(ids.values()), NOW)
        assert unsubscribe(connection, "acme", "news", ["alice", "nobody"]) == 1
        assert unsubscribe(connection, "umbrella", "news", ["bob"]) == 0
