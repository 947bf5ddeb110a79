"""Benchmark of in-app delivery from the publisher through Redis and one server to clients, compared with Node."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.processes import Program, node
from bench.report import Line, Result
from bus.envelope import Group, room_name
from bus.publisher import Publisher
from tests import factories
from tests.databases import migrate
from tests.pipeline.system import System

ROUNDS = 20
ROUND_TIMEOUT = 60
PAYLOAD = {"title": "Backup finished", "message": "All 3 volumes were saved.", "data": {"volumes": 3}, "level": "info"}
TENANT = "acme"

# Publishes the events of one round. The argument is the number of the round, from 1.
Publish = Callable[[int], Any]


def rooms() -> Iterator[Result]:
    """Measure one event to a room of 1,000 and of 5,000 clients, and one event to each of 1,000 users."""
    yield _compare("room-1000", "one event to a room of 1,000", 1000, one_room=True)
    yield _compare("users-1000", "an event with its own seq to each of 1,000 users", 1000, one_room=False)
    yield _compare("room-5000", "one event to a room of 5,000", 5000, one_room=True)


def _compare(name: str, title: str, clients: int, *, one_room: bool) -> Result:
    with _redis() as system:
        peer = _measure_node(system, clients, one_room)
        ours = _measure_carillon(system, clients, one_room)
    return Result(
        name=name,
        title=f"{title}, {ROUNDS} rounds",
        unit="events on screens/s",
        lines=[
            Line("socket.io, redis-adapter, redis-emitter", peer),
            Line("Carillon", ours, ours=True),
        ],
        aims=["as fast" if one_room else "1.5 times as fast"],
    )


@contextmanager
def _redis() -> Iterator[System]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/carillon.db"
        migrate(url)
        system = System(url, Path(folder))
        try:
            system.start("redis")
            yield system
        finally:
            system.stop()


def _measure_node(system: System, clients: int, one_room: bool) -> float:
    redis = system.settings.redis_url
    with node("socketio.mjs", "serve", redis) as server, node("socketio.mjs", "emit", redis) as emitter:
        port = server.read()["port"]
        to = {"room": "everybody"} if one_room else {"users": clients}
        greetings = [f'40{{"user":"u{i}"}}' for i in range(clients)]
        return _measure_rounds(port, greetings, '40{"sid"', clients, lambda _: emitter.ask(payload=PAYLOAD, **to))


def _measure_carillon(system: System, clients: int, one_room: bool) -> float:
    system.start("web")
    hour = timedelta(hours=1)
    tokens = [factories.create_token(system.settings, subject=f"u{i}", lifetime=hour) for i in range(clients)]
    greetings = [f'40{{"token":"{token}","dialect":"canonical"}}' for token in tokens]
    publisher = Publisher.of(system.settings)
    targets = [f"tenant:{TENANT}"] if one_room else [f"user:u{i}" for i in range(clients)]
    names = [room_name(TENANT, room) for room in targets]

    def publish(seq: int) -> None:
        publisher.publish([Group("news", PAYLOAD, [(name, seq) for name in names])])

    try:
        return _measure_rounds(system.ports["web"], greetings, '42["session:ready"', clients, publish)
    finally:
        publisher.close()


def _measure_rounds(port: int, greetings: list[str], ready: str, number: int, publish: Publish) -> float:
    with node("crowd.mjs") as crowd:
        _expect(crowd.ask(do="connect", port=port, greetings=greetings, ready=ready), connected=len(greetings))
        # Wait until the work that follows a connection, such as presence updates, is done.
        time.sleep(3)
        seconds = 0.0
        for seq in range(ROUNDS + 1):
            took = _measure_round(crowd, number, publish, seq + 1)
            # The first round is a warm-up and does not count.
            seconds += took if seq else 0
        return ROUNDS * number / seconds


def _measure_round(crowd: Program, number: int, publish: Publish, seq: int) -> float:
    crowd.ask(do="count", event='42["news"', number=number)
    began = time.perf_counter()
    publish(seq)
    _expect(crowd.ask(do="wait", seconds=ROUND_TIMEOUT), counted=number)
    return time.perf_counter() - began


def _expect(answer: dict[str, Any], **expected: Any) -> None:
    if answer != expected:
        raise RuntimeError(f"{answer} instead of {expected}")
