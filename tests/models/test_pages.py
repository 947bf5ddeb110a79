"""Pages of one notification, written side by side: each once, none left out, whoever dies meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, func, select

from models.deliveries.expand import MAX_WAIT_WITH_ROOMS, PageConflict, read_page, write_page
from models.deliveries.tables import deliveries
from models.events.log import append
from models.events.tables import events
from models.notifications.recall import recall
from models.notifications.tables import notifications
from models.rooms.tables import rooms
from models.sql.engine import read, write
from tests.factories import NOW, ExpandedPage, accept_one, create_tenant, create_users, expand_all, expand_page

pytestmark = pytest.mark.slow


@pytest.fixture
def crowd(engine: Engine) -> UUID:
    """A notification to six users, who have the row ids 1 to 6."""
    create_tenant(engine)
    create_users(engine, [f"u{i}" for i in range(6)])
    return accept_one(engine, audience={"tenant": True}, channels=["in_app"])


# SQLite has one writer at a time.
only_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


def reached(engine: Engine) -> tuple[list[int], list[int], Any]:
    """Who has a delivery, the numbers of their events, and (cursor, recipients, state) of the notification."""
    with read(engine) as connection:
        return (
            list(connection.execute(select(deliveries.c.user_id).order_by(deliveries.c.user_id)).scalars()),
            list(connection.execute(select(events.c.seq)).scalars()),
            tuple(
                connection.execute(
                    select(notifications.c.cursor, notifications.c.recipients, notifications.c.state)
                ).one()
            ),
        )


class Second:
    """Another worker, at the page that begins at 2. `ended` tells what became of it."""

    def __init__(self, engine: Engine, crowd: UUID) -> None:
        self._engine, self._crowd = engine, crowd
        self.ended: ExpandedPage | PageConflict | None = None
        self.begun = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            with write(self._engine) as connection:
                page = read_page(connection, self._crowd, NOW, 2, start=2)
                assert page is not None
                self.begun.set()
                self.ended = ExpandedPage(page, write_page(connection, page, NOW))
        except PageConflict as overtaken:
            self.ended = overtaken

    def join(self, seconds: float = 5.0) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()


@contextmanager
def two_pages(engine: Engine, crowd: UUID) -> Iterator[Second]:
    """The first page is written, and committed at the end of the block. Another worker is at the second one."""
    with write(engine) as connection:
        expand_page(connection, crowd, NOW, 2)
        second = Second(engine, crowd)
        assert second.begun.wait(5)
        yield second


def test_where_the_next_page_begins_is_known_before_the_page_is_written(engine, crowd):
    with write(engine) as connection:
        page = read_page(connection, crowd, NOW, 4)
        assert (page.end, page.finished, page.is_next) == (4, False, True)
        assert connection.execute(select(func.count()).select_from(deliveries)).scalar_one() == 0
        write_page(connection, page, NOW)
    with write(engine) as connection:
        assert expand_page(connection, crowd, NOW, 4, start=4).finished
    assert reached(engine) == ([1, 2, 3, 4, 5, 6], [1] * 6, (6, 6, "expanded"))


@only_postgresql
def test_a_page_is_written_beside_the_one_before_and_committed_after_it(engine, crowd):
    with two_pages(engine, crowd) as second:
        assert not second.join(0.3)
    assert second.join()
    assert second.ended.end == 4
    assert reached(engine) == ([1, 2, 3, 4], [1] * 4, (4, 4, "accepted"))


@only_postgresql
def test_a_page_that_waits_for_long_lets_go_of_its_rooms(engine, crowd):
    with two_pages(engine, crowd) as second:
        time.sleep(2 * MAX_WAIT_WITH_ROOMS / 1000)
        # Whoever writes to rooms of both pages would otherwise wait for the second, which waits for the first.
        with write(engine) as other:
            assert append(other, "acme", "user:u3", "stream:data", {}, NOW, NOW + timedelta(days=1)) == 1
    assert second.join()
    assert second.ended.end == 4
    assert reached(engine)[0] == [1, 2, 3, 4]
    with read(engine) as connection:
        assert connection.execute(select(rooms.c.head).where(rooms.c.user_id == 4)).scalar_one() == 2


@only_postgresql
def test_what_builds_on_a_page_that_is_not_written_is_not_written_either(engine, crowd):
    with suppress(ZeroDivisionError), two_pages(engine, crowd) as second:
        raise ZeroDivisionError
    assert second.join()
    assert isinstance(second.ended, PageConflict)
    assert reached(engine) == ([], [], (0, 0, "accepted"))
    expand_all(engine, crowd, size=2)
    assert reached(engine) == ([1, 2, 3, 4, 5, 6], [1] * 6, (6, 6, "expanded"))


@only_postgresql
def test_nobody_writes_the_same_page_at_the_same_time(engine, crowd):
    with write(engine) as connection:
        expand_page(connection, crowd, NOW, 2)
        with write(engine) as other:
            assert expand_page(other, crowd, NOW, 2) is None
            assert expand_page(other, crowd, NOW, 2, start=0) is None


def test_a_late_bell_writes_nothing(engine, crowd):
    for _ in range(2):
        with write(engine) as connection:
            expand_page(connection, crowd, NOW, 2)
    for begin in (0, 2):
        with write(engine) as connection:
            assert expand_page(connection, crowd, NOW, 2, start=begin) is None
    assert reached(engine)[0] == [1, 2, 3, 4]


def test_a_page_that_begins_where_none_ends_is_not_written(engine, crowd):
    with suppress(PageConflict), write(engine) as connection:
        assert expand_page(connection, crowd, NOW, 2, start=3) is None
    assert reached(engine) == ([], [], (0, 0, "accepted"))


@only_postgresql
def test_a_recall_in_the_midst_of_a_page_leaves_nothing_of_it(engine, crowd):
    def write_a_page() -> None:
        with write(engine) as connection:
            page = read_page(connection, crowd, NOW, 2)
            with write(engine) as other:
                assert recall(other, "acme", crowd, NOW)
            write_page(connection, page, NOW)

    with pytest.raises(PageConflict):
        write_a_page()
    assert reached(engine) == ([], [], (0, 0, "recalling"))
    expand_all(engine, crowd)
    assert reached(engine)[2] == (0, 0, "recalled")
