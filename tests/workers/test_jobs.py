from __future__ import annotations

import time
from uuid import uuid4

import pytest

from bus import bells as jobs


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    monkeypatch.setattr(jobs, "_silent_until", 0.0)
    monkeypatch.setattr(jobs, "_bells", {})


def test_a_bell_without_a_broker_is_given_up_quickly_and_the_next_at_once():
    start = time.monotonic()
    assert not jobs.ring_expand(uuid4(), 2)
    assert time.monotonic() - start < 5
    start = time.monotonic()
    assert not jobs.ring_deliver("push", "push")
    assert time.monotonic() - start < 0.05


def test_the_ringer_s_haste_is_its_own():
    from workers.app import app

    assert jobs._ringer.conf.broker_transport_options["socket_timeout"] == 1
    assert app.conf.broker_transport_options["socket_timeout"] == 10
