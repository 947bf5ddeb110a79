"""Notifications that are accepted in one transaction: one statement for all of them, and an answer for each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select

from actions.installation import Installation
from actions.principal import Principal
from actions.problems import Problem
from actions.quotas import Quotas
from actions.send import send, send_many
from carillon.requests import Notification
from models.notifications.tables import notifications
from models.sql.engine import read, write
from models.tenants.quotas import Quota, set_quota
from tests.factories import create_installation, create_tenant
from tests.waiting import eventually

CALLER = Principal("service", "acme", "ck_live_00000000", "live", None)


@pytest.fixture
def installation(engine: Engine) -> Installation:
    create_tenant(engine)
    return create_installation(engine)


@pytest.fixture
def inserts(engine: Engine) -> Iterator[list[str]]:
    """The INSERTs of notifications."""
    heard: list[str] = []

    def hear(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO notifications"):
            heard.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    yield heard
    event.remove(engine, "before_cursor_execute", hear)


def request(title: str, **other: Any) -> Notification:
    return Notification.model_validate({"audience": {"users": ["alice"]}, "title": title, "message": "World"} | other)


def together(installation: Installation, *calls: Callable[[], Any]) -> list[Future[Any]]:
    """Make these calls while another transaction of the tenant is under way."""
    held = threading.Event()

    def hold(items: Sequence[None]) -> Sequence[None]:
        assert held.wait(10)
        return items

    def waiting() -> int | None:
        queue = installation.accepting._queues.get("acme")
        return len(queue.waiting) if queue is not None else None

    with ThreadPoolExecutor(len(calls) + 1) as pool:
        pool.submit(installation.accepting.do, "acme", None, hold)
        eventually(lambda: waiting() == 0)
        made = []
        for number, call in enumerate(calls, 1):
            made.append(pool.submit(call))
            eventually(lambda number=number: waiting() == number)
        held.set()
        return made


def titles(engine: Engine) -> list[str]:
    with read(engine) as connection:
        return [*connection.execute(select(notifications.c.title).order_by(notifications.c.title)).scalars()]


def test_requests_that_come_together_are_one_statement(installation: Installation, engine: Engine, inserts: list[str]):
    wanted = [f"n{number}" for number in range(8)]
    made = together(installation, *(lambda t=title: send(installation, CALLER, request(t)) for title in wanted))
    ids = [call.result(10).id for call in made]
    assert len(inserts) == 1
    assert titles(engine) == wanted
    with read(engine) as connection:
        stored = dict(connection.execute(select(notifications.c.id, notifications.c.title)).all())
    assert [stored[one] for one in ids] == wanted
    assert sorted(installation.bells.rung) == sorted(("expand", [str(one)]) for one in ids)  # type: ignore[attr-defined]


def test_each_gets_the_answer_that_it_would_get_alone(installation: Installation, engine: Engine):
    earlier = send(installation, CALLER, request("earlier"), "k")
    replay, reused, first, twin, known, good = together(
        installation,
        lambda: send(installation, CALLER, request("earlier"), "k"),
        lambda: send(installation, CALLER, request("another"), "k"),
        lambda: send(installation, CALLER, request("new"), "new"),
        lambda: send(installation, CALLER, request("new"), "new"),
        lambda: send(installation, CALLER, request("known", require_known=True)),
        lambda: send(installation, CALLER, request("good")),
    )
    assert (replay.result(10).id, replay.result().replayed) == (earlier.id, True)
    assert first.result(10).id == twin.result(10).id
    assert [first.result().replayed, twin.result().replayed] == [False, True]
    assert not good.result(10).replayed
    for refused, code in ((reused, "idempotency_key_reused"), (known, "validation")):
        with pytest.raises(Problem) as caught:
            refused.result(10)
        assert caught.value.code == code
    assert titles(engine) == ["earlier", "good", "new"]


def test_a_row_that_the_database_refuses_stops_no_other(installation: Installation, engine: Engine):
    # No request can be like that; a bug could.
    bad = request("bad").model_copy(update={"type": None})
    good, refused, other = together(
        installation,
        lambda: send(installation, CALLER, request("good")),
        lambda: send(installation, CALLER, bad),
        lambda: send(installation, CALLER, request("other")),
    )
    good.result(10)
    other.result(10)
    assert refused.exception(10) is not None
    assert titles(engine) == ["good", "other"]


def test_a_quota_that_is_not_enough_for_all_is_enough_for_some(
    engine: Engine, redis_server: str, installation: Installation
):
    with write(engine) as connection:
        set_quota(connection, "acme", Quota.RECIPIENTS, 3)
    quotas = Quotas(engine, redis_server)
    limited = create_installation(engine, quotas=quotas)
    send(limited, CALLER, request("a"))
    made = together(limited, *(lambda t=title: send(limited, CALLER, request(t)) for title in ("b", "c", "d")))
    outcomes = [call.exception(10) for call in made]
    assert [getattr(error, "code", None) for error in outcomes] == [None, None, "quota_exceeded"]
    assert titles(engine) == ["a", "b", "c"]
    quotas.close()


def test_many_in_one_request_are_one_statement(installation: Installation, engine: Engine, inserts: list[str]):
    items = [request(f"n{number}").document() for number in range(100)]
    results = send_many(installation, CALLER, [*items, {"title": "bad"}], "bulk")
    assert len(inserts) == 1
    assert isinstance(results.pop(), Problem)
    assert len({one.id for one in results if not isinstance(one, Problem)}) == 100
    again = send_many(installation, CALLER, items, "bulk")
    assert [one.id for one in again if not isinstance(one, Problem)] == [
        one.id for one in results if not isinstance(one, Problem)
    ]
    with read(engine) as connection:
        assert connection.execute(select(func.count()).select_from(notifications)).scalar_one() == 100
