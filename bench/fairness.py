"""Benchmark of fairness: one tenant's latency alone, and while another tenant sends to 100,000 recipients."""

from __future__ import annotations

import time
from datetime import timedelta

import requests

from bench.pipeline import RECIPIENTS, carillon, postgresql, settled
from bench.processes import Program, node
from bench.report import Line, Result
from models.sql.clock import utc_now
from tests import factories
from tests.pipeline.system import System

REPETITIONS = 5
CONTENT = {"title": "Backup finished", "message": "All 3 volumes were saved."}


def fairness() -> Result:
    """Measure the time from the request to the open page: the slowest of five notifications."""
    with postgresql() as url, carillon(url, RECIPIENTS) as system, node("crowd.mjs") as crowd:
        factories.create_tenant(system.engine, "small", utc_now())
        key = factories.create_api_key(system.engine, "small")
        token = factories.create_token(system.settings, subject="bob", tenant="small", lifetime=timedelta(hours=1))
        greeting = f'40{{"token":"{token}","dialect":"canonical"}}'
        crowd.ask(do="connect", port=system.ports["web"], greetings=[greeting], ready='42["session:ready"')
        _slowest(system, crowd, key, "critical")
        lines = [Line("alone, critical", _slowest(system, crowd, key, "critical"), ours=True)]
        for priority in ("critical", "normal"):
            huge = _post(system, system.key, {"audience": {"topic": f"first-{RECIPIENTS}"}, "channels": ["in_app"]})
            time.sleep(0.5)
            slowest = _slowest(system, crowd, key, priority)
            if settled(system.engine, huge, RECIPIENTS):
                raise RuntimeError("the large notification was settled before the measurement ended")
            lines.append(Line(f"beside {RECIPIENTS:,} normal ones of another, {priority}", slowest, ours=True))
            while not settled(system.engine, huge, RECIPIENTS):
                time.sleep(0.2)
    return Result(
        "fairness",
        "from the request to the screen, the slowest of five",
        "milliseconds",
        lines,
        aims=["a critical one in under a second"],
        less=True,
    )


def _slowest(system: System, crowd: Program, key: str, priority: str) -> float:
    latencies = []
    for _ in range(REPETITIONS):
        crowd.ask(do="count", event='42["notification:new"', number=1)
        began = time.perf_counter()
        _post(system, key, {"audience": {"users": ["bob"]}, "priority": priority, "channels": ["in_app"]})
        if crowd.ask(do="wait", seconds=30) != {"counted": 1}:
            raise RuntimeError("the notification did not arrive within 30 s")
        latencies.append((time.perf_counter() - began) * 1000)
    return max(latencies)


def _post(system: System, key: str, body: dict[str, object]) -> str:
    answer = requests.post(
        f"{system.url}/v1/notifications", json=CONTENT | body, headers={"Authorization": f"Bearer {key}"}, timeout=30
    )
    answer.raise_for_status()
    return str(answer.json()["id"])
