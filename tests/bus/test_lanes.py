from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from bus.bells import Bells
from models.lanes import Lane
from workers import tasks
from workers.app import app

# A worker imports them when it starts, and drops bells for others.
assert tasks.DELIVER_TASKS

pytestmark = pytest.mark.slow


@pytest.fixture
def sent(redis_server: str) -> Iterator[Bells]:
    """Bells at a broker of this test's own."""
    bells = Bells(redis_server)
    yield bells
    bells.close()


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


def test_bells_are_answered_by_lane_and_then_in_their_order(sent, redis_server):
    lanes = [Lane.normal, Lane.bulk, Lane.critical, Lane.low, Lane.high]
    rung = {lane: uuid4() for lane in lanes}
    for lane in lanes:
        assert sent.expand(rung[lane], lane)
    sent._sender.wait()
    assert heard(redis_server, len(lanes)) == [rung[lane] for lane in Lane]
