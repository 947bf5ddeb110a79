"""In-app: from the publisher through Redis and one server to the screens, beside Socket.IO on Node."""

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
from tests.pipeline.stand import Stand

ROUNDS = 20
PATIENCE = 60
PAYLOAD = {"title": "Backup finished", "message": "All 3 volumes were saved.", "data": {"volumes": 3}, "level": "info"}
TENANT = "acme"

# Has everybody told of a round's events; the argument is the number of the round, from 1.
Publish = Callable[[int], Any]


def rooms() -> Iterator[Result]:
    """One event to a room of 1,000 and of 5,000 clients; one event each to 1,000 users."""
    yield _compare("room-1000", "one event to a room of 1,000", 1000, everybody=True)
    yield _compare("users-1000", "an event with a number of its own to each of 1,000 users", 1000, everybody=False)
    yield _compare("room-5000", "one event to a room of 5,000", 5000, everybody=True)


def _compare(name: str, title: str, clients: int, *, everybody: bool) -> Result:
    with _redis() as stand:
        peer = _node(stand, clients, everybody)
        ours = _ours(stand, clients, everybody)
    return Result(
        name=name,
        title=f"{title}, {ROUNDS} rounds",
        unit="events on screens/s",
        lines=[
            Line("socket.io, redis-adapter, redis-emitter", peer),
            Line("Carillon", ours, ours=True),
        ],
        aims=["as fast" if everybody else "1.5 times as fast"],
    )


@contextmanager
def _redis() -> Iterator[Stand]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/carillon.db"
        migrate(url)
        stand = Stand(url, Path(folder))
        try:
            stand.start("redis")
            yield stand
        finally:
            stand.stop()


def _node(stand: Stand, clients: int, everybody: bool) -> float:
    redis = stand.settings.redis_url
    with node("socketio.mjs", "serve", redis) as server, node("socketio.mjs", "emit", redis) as emitter:
        port = server.read()["port"]
        to = {"room": "everybody"} if everybody else {"users": clients}
        greetings = [f'40{{"user":"u{i}"}}' for i in range(clients)]
        return _rounds(port, greetings, '40{"sid"', clients, lambda _: emitter.ask(payload=PAYLOAD, **to))


def _ours(stand: Stand, clients: int, everybody: bool) -> float:
    stand.start("web")
    hour = timedelta(hours=1)
    tokens = [factories.create_token(stand.settings, subject=f"u{i}", lifetime=hour) for i in range(clients)]
    greetings = [f'40{{"token":"{token}","dialect":"canonical"}}' for token in tokens]
    writer = Publisher(stand.settings.redis_url, stand.settings.bus_topic)
    to = [f"tenant:{TENANT}"] if everybody else [f"user:u{i}" for i in range(clients)]
    names = [room_name(TENANT, room) for room in to]

    def publish(seq: int) -> None:
        writer.publish([Group("news", PAYLOAD, [(name, seq) for name in names])])

    try:
        return _rounds(stand.ports["web"], greetings, '42["session:ready"', clients, publish)
    finally:
        writer.close()


def _rounds(port: int, greetings: list[str], ready: str, number: int, publish: Publish) -> float:
    with node("crowd.mjs") as crowd:
        _expect(crowd.ask(do="connect", port=port, greetings=greetings, ready=ready), connected=len(greetings))
        # Whatever follows a connection, such as who is there, is over by then.
        time.sleep(3)
        seconds = 0.0
        for seq in range(ROUNDS + 1):
            took = _round(crowd, number, publish, seq + 1)
            # The first one warms up.
            seconds += took if seq else 0
        return ROUNDS * number / seconds


def _round(crowd: Program, number: int, publish: Publish, seq: int) -> float:
    crowd.ask(do="count", event='42["news"', number=number)
    began = time.perf_counter()
    publish(seq)
    _expect(crowd.ask(do="wait", seconds=PATIENCE), counted=number)
    return time.perf_counter() - began


def _expect(answer: dict[str, Any], **expected: Any) -> None:
    if answer != expected:
        raise RuntimeError(f"{answer} and not {expected}")
