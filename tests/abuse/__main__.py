"""Measures what each attack costs other clients: python -m tests.abuse [SECONDS]

Starts a web process of its own, on SQLite and an embedded Redis, and prints the answer times of a client that behaves,
without an attack and during each of them. Times are in milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from socketio.exceptions import SocketIOError

from models.sql.engine import connect
from tests import factories
from tests.abuse.attacks import ATTACKS, Attack, Stolen
from tests.conftest import redis_process
from tests.databases import migrate
from tests.web.realtime.stack import Stack, Web

PATIENCE = 10.0


def _times(call: Callable[[], Any], seconds: float, into: list[float]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            call()
        except (requests.RequestException, SocketIOError):
            into.append(PATIENCE)
        else:
            into.append(time.monotonic() - began)
        time.sleep(0.02)


def _calls(stack: Stack, key: str) -> dict[str, Callable[[], Any]]:
    """What others do meanwhile: a probe with a connection for each request, and a service and a page with one each."""
    http = requests.Session()
    http.headers["Authorization"] = f"Bearer {key}"
    page = stack.client()
    return {
        "probe": lambda: requests.get(f"{stack.web.url}/healthz", timeout=PATIENCE).raise_for_status(),
        "service": lambda: http.get(f"{stack.web.url}/v1/event-types", timeout=PATIENCE).raise_for_status(),
        "page": lambda: page.call("notification:count", None),
    }


def _measure(calls: dict[str, Callable[[], Any]], seconds: float) -> dict[str, list[float]]:
    """The answer times of all of them at the same time."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    threads = [threading.Thread(target=_times, args=(call, seconds, found[name])) for name, call in calls.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _line(name: str, found: dict[str, list[float]]) -> str:
    cells = []
    for times in found.values():
        p95 = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
        failed = sum(one >= PATIENCE for one in times)
        cells.append(f"{len(times):>6} {1000 * p95:>8.1f} {failed:>6}")
    return f"{name:<26}" + " |".join(cells)


def _attack(attack: Attack, *arguments: Any) -> None:
    # The attacker is another machine: it must not take the processor from what it attacks.
    os.nice(19)
    attack(*arguments)


def _print(*lines: str) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def main(seconds: float) -> None:
    """Print a table."""
    with redis_process() as (redis_url, _), tempfile.TemporaryDirectory() as directory:
        database = f"sqlite:///{directory}/carillon.db"
        migrate(database)
        settings = factories.create_settings(Path(directory), DATABASE_URL=database, REDIS_URL=redis_url)
        web = Web(settings, "gevent", Path(directory) / "web.log", "web.app:create_app()", LOG_LEVEL="WARNING").start()
        engine = connect(database)
        try:
            stack = Stack(web, engine, "acme")
            calls = _calls(stack, factories.create_api_key(engine, "acme"))
            head = " |".join(f"{name:>6} {'p95':>8} {'failed':>6}" for name in calls)
            _print(f"{'':<26}{head}", _line("no attack", _measure(calls, seconds)))
            # 500 users, so that a bulk request addresses 50,000.
            factories.create_tenant(engine, "umbra")
            factories.create_users(engine, [f"user {n}" for n in range(500)], tenant="umbra")
            stolen = Stolen(stack.token("mallory"), factories.create_api_key(engine, "umbra"))
            for attack in ATTACKS:
                arguments = (attack, web.port, seconds + 2, stolen)
                attacker = multiprocessing.Process(target=_attack, args=arguments)
                attacker.start()
                time.sleep(1)
                found = _measure(calls, seconds)
                attacker.join()
                _print(_line(attack.__name__, found))
                # What it has left behind ends.
                time.sleep(2)
        finally:
            web.stop()
            engine.dispose()
        _print(*{line[:6000] for line in web.log().splitlines() if "WARN" in line or "ERR" in line})


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 8.0)
