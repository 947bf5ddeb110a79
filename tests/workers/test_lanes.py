from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from celery import Celery

from bus import bells as jobs
from models.lanes import Lane
from workers.app import app

pytestmark = pytest.mark.slow


@pytest.fixture
def broker(redis_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A broker of this test's own, at which bells are rung."""
    monkeypatch.setattr(jobs, "_bells", {})
    monkeypatch.setattr(jobs, "_silent_until", 0.0)
    # Its own, because one that has rung keeps its connections.
    ringer = Celery("carillon", set_as_current=False)
    ringer.config_from_object("celeryconfig")
    ringer.conf.broker_url = redis_server
    monkeypatch.setattr(jobs, "_ringer", ringer)
    yield redis_server
    ringer.close()


def heard(broker: str, number: int) -> list[UUID]:
    """The notifications for which bells are answered, in the order in which a worker takes them."""
    with app.connection_for_read(broker) as connection:
        bells = connection.SimpleQueue("intake")
        found = []
        for _ in range(number):
            message = bells.get(timeout=5)
            message.ack()
            found += [UUID(page) for page in message.payload[0]]
        bells.close()
    return found


def test_bells_are_answered_by_lane_and_then_in_their_order(broker):
    lanes = [Lane.normal, Lane.bulk, Lane.critical, Lane.low, Lane.high]
    rung = {lane: uuid4() for lane in lanes}
    for lane in lanes:
        assert jobs.ring_expand(rung[lane], lane)
    assert heard(broker, len(lanes)) == [rung[lane] for lane in Lane]
