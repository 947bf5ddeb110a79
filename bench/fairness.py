"""Benchmark of fairness: one tenant's latency alone, and while another tenant sends to 100,000 recipients."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta

import requests

from bench.pipeline import RECIPIENTS, carillon, postgresql, settled
from bench.processes import Program, node
from bench.report import Line, Result
from models.sql.clock import utc_now
from tests import factories
from tests.pipeline.system import System

REPETITIONS = 10
CONTENT = {"title": "Backup finished", "message": "All 3 volumes were saved."}


def fairness() -> Result:
    """Measure the time from the request to the open page: the slowest and the median of ten notifications."""
    with postgresql() as url, carillon(url, RECIPIENTS) as system, node("crowd.mjs") as crowd:
        factories.create_tenant(system.engine, "small", utc_now())
        key = factories.create_api_key(system.engine, "small")
        token = factories.create_token(system.settings, subject="bob", tenant="small", lifetime=timedelta(hours=1))
        greeting = f'40{{"token":"{token}","dialect":"canonical"}}'
        crowd.ask(do="connect", port=system.ports["web"], greetings=[greeting], ready='42["session:ready"')
        _latencies(system, crowd, key, ["critical"])
        lines = _lines("alone", _latencies(system, crowd, key, ["critical"]))
        huge = _post(system, system.key, {"audience": {"topic": f"first-{RECIPIENTS}"}, "channels": ["in_app"]})
        time.sleep(0.5)
        # In turns: the first pages of a large notification are slower than the later ones, for every lane.
        lines += _lines(
            f"beside {RECIPIENTS:,} normal ones of another", _latencies(system, crowd, key, ["critical", "normal"])
        )
        if settled(system.engine, huge, RECIPIENTS):
            raise RuntimeError("the large notification was settled before the measurement ended")
    return Result(
        "fairness",
        "from the request to the screen, the slowest of ten",
        "milliseconds",
        lines,
        aims=["a critical one in under 50 ms"],
        less=True,
    )


def _latencies(system: System, crowd: Program, key: str, priorities: Sequence[str]) -> dict[str, list[float]]:
    """Return the milliseconds of some notifications of each priority, sent in turns, in ascending order."""
    latencies: dict[str, list[float]] = {priority: [] for priority in priorities}
    for _ in range(REPETITIONS):
        for priority, measured in latencies.items():
            crowd.ask(do="count", event='42["notification:new"', number=1)
            began = time.perf_counter()
            _post(system, key, {"audience": {"users": ["bob"]}, "priority": priority, "channels": ["in_app"]})
            if crowd.ask(do="wait", seconds=30) != {"counted": 1}:
                raise RuntimeError("the notification did not arrive within 30 s")
            measured.append((time.perf_counter() - began) * 1000)
    return {priority: sorted(measured) for priority, measured in latencies.items()}


def _lines(name: str, latencies: dict[str, list[float]]) -> list[Line]:
    return [
        Line(f"{name}, {priority}", found[-1], {"median": found[len(found) // 2]}, ours=True)
        for priority, found in latencies.items()
    ]


def _post(system: System, key: str, body: dict[str, object]) -> str:
    answer = requests.post(
        f"{system.url}/v1/notifications", json=CONTENT | body, headers={"Authorization": f"Bearer {key}"}, timeout=30
    )
    answer.raise_for_status()
    return str(answer.json()["id"])
