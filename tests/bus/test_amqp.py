"""RabbitMQ that takes connections and no messages, or answers nothing: bells, and the check of the broker."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from celery import Celery

from bus.bells import Bells
from tests.amqp_broker import Broker, amqp_broker
from tests.databases import ROOT
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def broker() -> Iterator[Broker]:
    with amqp_broker() as broker:
        yield broker


def bells_in(broker: Broker) -> list[object]:
    """What was sent as bells. Celery's own events are sent too."""
    messages = [json.loads(message) for message in broker.messages if message]
    return [message[0] for message in messages if isinstance(message, list)]


@pytest.mark.parametrize("fault", ["alarm", "frozen"])
def test_whoever_rings_waits_for_nothing_and_is_told_soon(broker: Broker, fault: str):
    bells = Bells(broker.url)
    assert bells.publish()
    eventually(lambda: bells_in(broker) == [[]])
    getattr(broker, fault).set()
    began = time.monotonic()
    bells.deliver("push")
    # The time-out of the socket is a second.
    assert time.monotonic() - began < 0.9
    eventually(lambda: not bells.deliver("push"))
    getattr(broker, fault).clear()
    eventually(lambda: bells.deliver("push"))
    bells.close()


def test_the_check_of_the_broker_fails_under_gevent_too():
    """Its sockets have none of the time-outs that py-amqp sets."""
    program = """
        from gevent import monkey; monkey.patch_all()
        from tests.amqp_broker import amqp_broker
        from bus.bells import Bells
        with amqp_broker() as broker:
            bells = Bells(broker.url)
            bells.check()
            broker.alarm.set()
            try:
                bells.check()
            except OSError as error:
                print(error)
    """
    lines = "\n".join(line[8:] for line in program.splitlines())
    done = subprocess.run([sys.executable, "-c", lines], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["timed out"], done.stderr


def test_a_worker_has_longer_time_outs(broker: Broker):
    app = Celery(set_as_current=False, broker=broker.url)
    app.config_from_object("celeryconfig")
    app.conf.broker_url = broker.url
    with app.connection_for_read() as connection:
        assert connection.connection.sock.gettimeout() == 10
        assert connection.connection.confirm_publish
