"""`python -m lab.load`: sends one notification to 10,000 users on three channels and checks every delivery.

Uses the installation that `make run` has started, or starts one for the duration of the test.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import requests

from actions.tokens import Claims, mint
from config.audiences import CLIENT
from config.jwt_keys import JwtKeys
from config.settings import Settings
from lab.crowd import Crowd, create_crowd
from lab.environment import free_ports, read_dev_env
from lab.listener import Listener

USERS = 10_000
SOCKETS = 50
# The test fails after this many seconds without progress. The lab refuses nothing here, so no retry takes longer.
MAX_SECONDS_WITHOUT_PROGRESS = 60.0
SETTLED = ("sent", "acked")


class LoadFailed(Exception):
    """The load test cannot run. The message says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """The measurements. Times are in seconds after the notification was accepted. `complete` counts open pages."""

    expanded: float
    settled: float
    states: dict[str, dict[str, int]]
    received: dict[str, Counter[str]]
    complete: int
    slowest: float


async def run(settings: Settings, crowd: Crowd) -> Result:
    """Notify all users, and wait until every delivery is settled."""
    keys = JwtKeys.load(settings.jwks_file)
    watching = crowd.users[:: len(crowd.users) // SOCKETS]
    listeners = [
        Listener(
            mint(
                keys,
                Claims.of(settings),
                audience=CLIENT,
                subject=user,
                tenant=crowd.tenant,
                lifetime=timedelta(hours=1),
            ).token
        )
        for user in watching
    ]
    api = Api(settings, crowd.key)
    try:
        await asyncio.gather(*(listener.connect(settings.public_url) for listener in listeners))
        id_ = await asyncio.to_thread(api.notify)
        began = time.monotonic()
        expanded, settled, _ = await _watch(api, id_, began)
        # An in-app delivery is settled when it is sent, so acknowledgements may still be missing.
        await _wait_until(lambda: all(id_ in listener.acknowledged for listener in listeners), 10)
        states = (await asyncio.to_thread(api.status, id_))["deliveries"]
        received = await asyncio.to_thread(api.received, id_)
    finally:
        await asyncio.gather(*(listener.close() for listener in listeners), return_exceptions=True)
    complete = [listener for listener in listeners if listener.shown == [id_] and listener.acknowledged == {id_}]
    slowest = max((listener.shown_at[id_] - began for listener in complete), default=0.0)
    return Result(expanded, settled, states, received, len(complete), slowest)


async def _watch(api: Api, id_: str, began: float) -> tuple[float, float, dict[str, dict[str, int]]]:
    """Return (seconds until expanded, seconds until settled, the last counts by channel and state).

    0 seconds mean that it did not happen.
    """
    expanded, last_progress = 0.0, time.monotonic()
    last: dict[str, dict[str, int]] = {}
    while time.monotonic() - last_progress < MAX_SECONDS_WITHOUT_PROGRESS:
        status = await asyncio.to_thread(api.status, id_)
        elapsed, states = time.monotonic() - began, status["deliveries"]
        if states != last:
            last, last_progress = states, time.monotonic()
            _print_progress(states)
        if not expanded and status["state"] == "expanded":
            expanded = elapsed
        if expanded and not any(counts.get(state) for counts in states.values() for state in ("pending", "sending")):
            return expanded, elapsed, states
        await asyncio.sleep(0.25)
    return expanded, 0.0, last


def _print_progress(states: dict[str, dict[str, int]]) -> None:
    if sys.stdout.isatty():
        settled = {channel: counts.get("sent", 0) + counts.get("acked", 0) for channel, counts in states.items()}
        line = ", ".join(f"{number:,} {channel}" for channel, number in settled.items())
        print(f"\r\033[K  {line}", end="", flush=True)


async def _wait_until(check: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not check() and time.monotonic() < end:
        await asyncio.sleep(0.05)


class Api:
    """Requests to the API and to the lab."""

    def __init__(self, settings: Settings, key: str) -> None:
        self._url = f"{settings.public_url}/v1/notifications"
        self._lab = f"{settings.lab_url}/messages"
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"

    def notify(self) -> str:
        """Send the notification and return its id."""
        body = {"audience": {"tenant": True}, "title": "Load test", "message": "To all users, on every channel."}
        answer = self._session.post(self._url, json=body, headers={"Idempotency-Key": secrets.token_hex(8)}, timeout=30)
        if answer.status_code != 202:
            raise LoadFailed(f"the API answered {answer.status_code}: {answer.text}")
        return str(answer.json()["id"])

    def status(self, id_: str) -> Any:
        """Return the notification's state and its deliveries, counted by channel and state."""
        answer = self._session.get(f"{self._url}/{id_}", timeout=30)
        answer.raise_for_status()
        return answer.json()

    def received(self, id_: str) -> dict[str, Counter[str]]:
        """Count how often the lab accepted the notification, by channel and address."""
        counts: dict[str, Counter[str]] = {"push": Counter(), "email": Counter()}
        after, limit = 0, 10_000
        while True:
            query: dict[str, str | int] = {
                "notification_id": id_,
                "outcome": "accepted",
                "after": after,
                "limit": limit,
                "raw": 0,
            }
            page = requests.get(self._lab, params=query, timeout=60).json()
            for message in page["messages"]:
                counts[message["channel"]][message["address"]] += 1
            after = page["next"]
            if len(page["messages"]) < limit:
                return counts


def report(crowd: Crowd, result: Result) -> bool:
    """Print the result. Returns whether everything arrived."""
    total = sum(sum(counts.values()) for counts in result.states.values())
    rate = total / result.settled if result.settled else 0.0
    print(f"\n{len(crowd.users):,} users of {crowd.tenant}, {total:,} deliveries\n")
    print(f"  accepted to expanded  {result.expanded:7.1f} s")
    print(f"  accepted to settled   {result.settled:7.1f} s  {rate:,.0f} deliveries/s")
    print(f"  open pages            {result.complete:4} of {SOCKETS} complete, the last after {result.slowest:.1f} s\n")
    columns = ("sent", "acked", "other", "arrived", "missing", "foreign", "repeated")
    print(f"  {'channel':8}", *(f"{column:>8}" for column in columns))
    good = bool(result.settled) and result.complete == SOCKETS
    for channel in ("in_app", "push", "email"):
        states = result.states.get(channel, {})
        settled = sum(states.get(state, 0) for state in SETTLED)
        other = sum(states.values()) - settled
        good &= settled == len(crowd.users) and not other
        row = [states.get("sent", 0), states.get("acked", 0), other]
        if channel in crowd.expected:
            arrived, expected = result.received[channel], crowd.expected[channel]
            missing, foreign = len(expected - arrived.keys()), len(arrived.keys() - expected)
            row += [len(arrived), missing, foreign, sum(number > 1 for number in arrived.values())]
            good &= not missing and not foreign
        print(f"  {channel:8}", *(f"{number:8,}" for number in row))
    print(f"\n{'Everything arrived.' if good else 'NOT everything arrived.'}")
    return good


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """Yield the environment of what `make run` has started, or of an installation started for this test."""
    try:
        present = read_dev_env(Path(os.environ.get("CARILLON_VAR") or "var"))
        requests.get(f"http://127.0.0.1:{present['PORT']}/healthz", timeout=5).raise_for_status()
    except (FileNotFoundError, requests.RequestException):
        print("Carillon is not running: starting it for this test.")
    else:
        print(f"Using the installation at port {present['PORT']}.")
        yield present
        return
    with tempfile.TemporaryDirectory(prefix="carillon-load-") as var:
        names = ("PORT", "LAB_PORT", "LAB_SMTP_PORT", "FLOWER_PORT")
        chosen = dict(zip(names, map(str, free_ports(len(names))), strict=True))
        log = Path(var, "log")
        with log.open("wb") as output:
            copy = subprocess.Popen(
                [sys.executable, "-m", "lab.up"],
                env={**os.environ, **chosen, "CARILLON_VAR": var},
                stdout=output,
                stderr=output,
            )
        try:
            end = time.monotonic() + 120
            while b"Carillon is ready." not in log.read_bytes():
                if copy.poll() is not None or time.monotonic() > end:
                    raise LoadFailed(f"Carillon did not start:\n{log.read_text()[-3000:]}")
                time.sleep(0.2)
            yield read_dev_env(Path(var))
        finally:
            copy.send_signal(signal.SIGTERM)
            copy.wait()


def main() -> int:
    """Run the load test. The exit status is 0 if everything arrived."""
    try:
        with running() as environ:
            settings = Settings.from_env(environ)
            crowd = create_crowd(settings, USERS)
            return 0 if report(crowd, asyncio.run(run(settings, crowd))) else 1
    except LoadFailed as error:
        print(f"demo-load: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        pass
    return 1


if __name__ == "__main__":
    sys.exit(main())
