"""Benchmark of fairness: one tenant's latency alone, and while another tenant sends to 100,000 recipients."""

from __future__ import annotations

import time
from datetime import timedelta

import requests

from actions.installation import utc_now
from bench.pipeline import RECIPIENTS, carillon, postgresql, settled
from bench.processes import Program, node
from bench.report import Line, Result
from tests import factories
from tests.pipeline.stand import Stand

REPETITIONS = 5
CONTENT = {"title": "Backup finished", "message": "All 3 volumes were saved."}


def fairness() -> Result:
    """Measure the time from the request to the open page: the slowest of five notifications."""
    with postgresql() as url, carillon(url, RECIPIENTS) as stand, node("crowd.mjs") as crowd:
        factories.create_tenant(stand.engine, "small", utc_now())
        key = factories.create_api_key(stand.engine, "small")
        token = factories.create_token(stand.settings, subject="bob", tenant="small", lifetime=timedelta(hours=1))
        greeting = f'40{{"token":"{token}","dialect":"canonical"}}'
        crowd.ask(do="connect", port=stand.ports["web"], greetings=[greeting], ready='42["session:ready"')
        _slowest(stand, crowd, key, "critical")
        lines = [Line("alone, critical", _slowest(stand, crowd, key, "critical"), ours=True)]
        for priority in ("critical", "normal"):
            huge = _post(stand, stand.key, {"audience": {"topic": f"first-{RECIPIENTS}"}, "channels": ["in_app"]})
            time.sleep(0.5)
            slowest = _slowest(stand, crowd, key, priority)
            if settled(stand.engine, huge, RECIPIENTS):
                raise RuntimeError("the large notification was settled before the measurement ended")
            lines.append(Line(f"beside {RECIPIENTS:,} normal ones of another, {priority}", slowest, ours=True))
            while not settled(stand.engine, huge, RECIPIENTS):
                time.sleep(0.2)
    return Result(
        "fairness",
        "from the request to the screen, the slowest of five",
        "milliseconds",
        lines,
        aims=["a critical one in under a second"],
        less=True,
    )


def _slowest(stand: Stand, crowd: Program, key: str, priority: str) -> float:
    latencies = []
    for _ in range(REPETITIONS):
        crowd.ask(do="count", event='42["notification:new"', number=1)
        began = time.perf_counter()
        _post(stand, key, {"audience": {"users": ["bob"]}, "priority": priority, "channels": ["in_app"]})
        if crowd.ask(do="wait", seconds=30) != {"counted": 1}:
            raise RuntimeError("the notification did not arrive within 30 s")
        latencies.append((time.perf_counter() - began) * 1000)
    return max(latencies)


def _post(stand: Stand, key: str, body: dict[str, object]) -> str:
    answer = requests.post(
        f"{stand.url}/v1/notifications", json=CONTENT | body, headers={"Authorization": f"Bearer {key}"}, timeout=30
    )
    answer.raise_for_status()
    return str(answer.json()["id"])
