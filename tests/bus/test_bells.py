from __future__ import annotations

import time
from uuid import uuid4

from bus.bells import Bells


def test_a_bell_without_a_broker_is_given_up_quickly_and_the_next_at_once():
    bells = Bells("redis://127.0.0.1:1/0")
    start = time.monotonic()
    assert not bells.expand(uuid4(), 2)
    assert time.monotonic() - start < 5
    start = time.monotonic()
    assert not bells.deliver("push")
    assert time.monotonic() - start < 0.05


def test_short_time_outs_are_those_of_bells_alone():
    from workers.app import app

    bells = Bells("redis://127.0.0.1:1/0")
    assert bells._celery.conf.broker_transport_options["socket_timeout"] == 1
    assert app.conf.broker_transport_options["socket_timeout"] == 10
