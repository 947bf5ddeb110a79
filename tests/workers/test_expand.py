from __future__ import annotations

from uuid import uuid4

from models.ledger.expand import expand_page
from tests.factories import accept_one, create_users
from workers.expand import expand_and_ring


def test_a_page_rings_for_its_channels_and_for_the_next_page(run, engine, bells, monkeypatch):
    create_users(engine, ["a", "b", "c"], email=True)
    create_users(engine, ["d"], device=True)
    n = accept_one(engine, audience={"tenant": True})
    monkeypatch.setattr("workers.expand.expand_page", lambda *given: expand_page(*given, size=2))
    expand_and_ring(run, n)
    assert bells == [
        ("deliver email", []),
        ("deliver in_app", []),
        ("expand", [str(n)]),
    ]
    bells.clear()
    expand_and_ring(run, n)
    assert ("deliver push", []) in bells
    assert ("expand", [str(n)]) in bells
    bells.clear()
    expand_and_ring(run, n)
    assert bells == []


def test_a_bell_for_nothing_is_silent(run, bells):
    expand_and_ring(run, uuid4())
    assert bells == []
