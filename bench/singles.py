"""Benchmark of notifications to one user each: the time from the request to the screen, and the CPU time they take."""

from __future__ import annotations

import time
from datetime import timedelta

from bench.pipeline import SCREENS, carillon, postgresql, user
from bench.processes import cpu_seconds, node
from bench.report import Line, Result
from tests import factories

RATES = (50, 100, 200)
SECONDS = 10


def singles() -> Result:
    """Measure 50 to 200 notifications a second to users with open pages."""
    lines = []
    with postgresql() as url, carillon(url, SCREENS) as system, node("singles.mjs") as screens:
        hour = timedelta(hours=1)
        users = [user(number) for number in range(SCREENS)]
        tokens = [factories.create_token(system.settings, subject=name, lifetime=hour) for name in users]
        greetings = [f'40{{"token":"{token}","dialect":"canonical"}}' for token in tokens]
        ready = '42["session:ready"'
        screens.ask(port=system.ports["web"], key=system.key, users=users, greetings=greetings, ready=ready)
        time.sleep(3)
        screens.ask(rate=RATES[0], seconds=2)
        for rate in RATES:
            before = {name: cpu_seconds(system.processes[name].pid) for name in ("web", "worker")}
            answer = screens.ask(rate=rate, seconds=SECONDS)
            if answer["shown"] < answer["sent"]:
                raise RuntimeError(str(answer))
            more = {
                f"ms CPU of the {name} each": (cpu_seconds(system.processes[name].pid) - used) / answer["sent"] * 1000
                for name, used in before.items()
            }
            lines.append(Line(f"{rate} a second", answer["p99"], {"p50 ms": answer["p50"], **more}, ours=True))
    return Result(
        name="singles",
        title=f"a notification each to one of {SCREENS:,} connected users, from the request to the screen",
        unit="p99 ms",
        lines=lines,
        aims=["under 100 ms at 200 a second", "3 ms of CPU each from expansion to screen"],
        less=True,
    )
