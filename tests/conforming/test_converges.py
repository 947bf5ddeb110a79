"""Whatever gets lost on the way, a conforming client ends with what the server has.

The server's own code runs in process (memory.py); Hypothesis decides what happens (machine.py); at the end client,
server and wire are compared (oracle.py).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.conforming.machine import Wire
from tests.conforming.memory import House

# A thousand on each database, in parts that can run side by side. The first part is quick.
_LONG = [pytest.mark.slow, pytest.mark.long]
PARTS = [(30, 1), pytest.param(370, 2, marks=pytest.mark.slow), *[pytest.param(300, n, marks=_LONG) for n in (3, 4)]]


@pytest.mark.parametrize(("examples", "number"), PARTS)
def test_a_client_ends_with_what_the_server_has(
    app: Flask, user_token: Callable[..., str], examples: int, number: int
) -> None:
    house = House(app)
    run_state_machine_as_test(
        seed(number)(lambda: Wire(house, user_token)),
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
