"""Search in messages: the same on both databases, and never what the user may not see."""

from __future__ import annotations

from uuid import UUID

import pytest
import uuid_utils.compat
from sqlalchemy import delete, insert, select, text, update

from models.conversations.tables import conversations, members
from models.messages.search import add_to_index, remove_from_index, search
from models.messages.tables import hidden_messages, message_search, messages
from models.messages.tokens import query
from models.rooms.tables import rooms
from models.sql.engine import read, write
from models.users.queries import Person, upsert_users
from tests.factories import NOW, create_tenant

ALICE, BOB, EVE = 0, 1, 2


@pytest.fixture
def people(engine) -> list[int]:
    create_tenant(engine)
    with write(engine) as connection:
        return upsert_users(connection, "acme", map(Person, ["alice", "bob", "eve"]), NOW)


def converse(engine, *users: int, key: str = "one", after_no: int = 0, role: str = "member") -> int:
    with write(engine) as connection:
        room_id = connection.execute(
            insert(rooms).values(tenant_id="acme", kind="conversation", key=key).returning(rooms.c.id)
        ).scalar_one()
        connection.execute(
            insert(conversations).values(
                room_id=room_id, tenant_id="acme", kind="group", history="shared", created_at=NOW
            )
        )
        for user in users:
            connection.execute(
                insert(members).values(
                    room_id=room_id,
                    user_id=user,
                    tenant_id="acme",
                    role=role,
                    created_at=NOW,
                    after_no=after_no,
                    after_seq=0,
                )
            )
    return int(room_id)


def say(engine, room_id: int, no: int, content: str, sender: int | None = None, target: int | None = None) -> UUID:
    id_ = uuid_utils.compat.uuid7()
    with write(engine) as connection:
        connection.execute(
            insert(messages).values(
                room_id=room_id,
                no=no,
                id=id_,
                tenant_id="acme",
                sender_id=sender,
                target_id=target,
                kind="text",
                content=content,
                seq=no,
                created_at=NOW,
            )
        )
        add_to_index(connection, "acme", room_id, no, content)
    return id_


def numbers(engine, user: int, asked: str, **options) -> list[int]:
    with read(engine) as connection:
        return [one.no for one in search(connection, "acme", user, query(asked), **options)]


def test_the_newest_come_first_page_by_page(engine, people):
    room = converse(engine, *people)
    ids = [say(engine, room, no, f"hello {no}") for no in range(1, 6)]
    assert numbers(engine, people[ALICE], "hello", limit=2) == [5, 4]
    assert numbers(engine, people[ALICE], "hello", before=ids[3], limit=2) == [3, 2]
    assert numbers(engine, people[ALICE], "hello 4 ") == [4]


def test_all_words_are_required_and_the_last_may_be_unfinished(engine, people):
    room = converse(engine, *people)
    for no, content in enumerate(["good morning", "good evening", "a morning", "東京タワーへ", "ok 👍🏽", "café"], 1):
        say(engine, room, no, content)
    asked = ["good morning", "good mor", "good mor ", "morning", "東京", "👍", "CAFÉ", "cafe", "nothing", "", "!?"]
    assert [numbers(engine, people[ALICE], one) for one in asked] == [
        [1],
        [1],
        [],
        [3, 1],
        [4],
        [5],
        [6],
        [6],
        [],
        [],
        [],
    ]


def test_what_a_query_language_would_read_into_it_is_text(engine, people):
    room = converse(engine, *people)
    say(engine, room, 1, "NOT near or and title:x ' \" * ^ & | ! :* <->")
    for asked in ["not near", "title:x", "or and", "' \" *", "a | b", "!near", 'near"', "near:*"]:
        assert numbers(engine, people[ALICE], asked) == ([] if asked in ("' \" *", "a | b") else [1]), asked


def test_a_search_in_one_conversation_finds_nothing_of_another(engine, people):
    one, two = converse(engine, *people), converse(engine, *people, key="two")
    say(engine, one, 1, "hello")
    say(engine, two, 2, "hello")
    assert numbers(engine, people[ALICE], "hello") == [2, 1]
    assert numbers(engine, people[ALICE], "hello", room_id=two) == [2]


def test_what_a_user_may_not_see_is_not_found(engine, people):
    alice, bob, eve = people
    room = converse(engine, alice, bob)
    say(engine, room, 1, "hello all")
    say(engine, room, 2, "hello bob", sender=alice, target=bob)
    say(engine, room, 3, "hello gone")
    say(engine, room, 4, "hello hidden")
    late = converse(engine, eve, key="late", after_no=1)
    say(engine, late, 1, "hello before eve")
    say(engine, late, 5, "hello eve")
    with write(engine) as connection:
        connection.execute(update(messages).where(messages.c.no == 3).values(deleted_at=NOW))
        connection.execute(insert(hidden_messages).values(user_id=bob, room_id=room, no=4))
    assert numbers(engine, alice, "hello") == [4, 2, 1]
    assert numbers(engine, bob, "hello") == [2, 1]
    assert numbers(engine, eve, "hello") == [5]
    converse(engine, eve, key="invited", role="invited")
    with write(engine) as connection:
        connection.execute(update(members).where(members.c.user_id == bob).values(role="invited"))
    assert numbers(engine, bob, "hello") == []


def test_a_message_that_leaves_is_not_found(engine, people):
    room, other = converse(engine, *people), converse(engine, *people, key="other")
    for no in (1, 2, 3):
        say(engine, room, no, f"hello {no}")
    say(engine, other, 4, "hello")
    with write(engine) as connection:
        remove_from_index(connection, room, 1)
        add_to_index(connection, "acme", room, 1, "goodbye")
        remove_from_index(connection, room, 2)
    assert numbers(engine, people[ALICE], "hello") == [4, 3]
    assert numbers(engine, people[ALICE], "goodbye") == [1]
    with write(engine) as connection:
        connection.execute(delete(rooms).where(rooms.c.id == room))
    assert numbers(engine, people[ALICE], "hello") == [4]
    with write(engine) as connection:
        assert connection.execute(select(message_search.c.no)).scalars().all() == [4]
        if engine.dialect.name == "sqlite":
            # Raises if the index has tokens that the table does not have, or the other way round.
            connection.execute(text("INSERT INTO message_fts (message_fts, rank) VALUES ('integrity-check', 1)"))
