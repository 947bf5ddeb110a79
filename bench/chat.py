"""Benchmark of chat: messages and typing in a conversation of 10,000 members with 1,000 of them connected."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from statistics import median
from typing import NamedTuple

import psycopg
import requests

from bench.pipeline import carillon, connect_all, peer_redis, postgresql, user
from bench.processes import Program, node
from bench.report import Line, Result
from tests import factories
from tests.pipeline.system import System

MEMBERS = 10_000
CONNECTED = 1_000
SENDERS = 10
MESSAGES_EACH = 20
TYPISTS = 100
CONTENT = "The numbers of the third quarter are in: see page 4, and tell me by noon what you think of them. (#)"
CONVERSATION = "everybody"

# Users in one request that adds members.
ADDED = 1_000
_TIMEOUT = 120


def chat() -> Iterator[Result]:
    """Measure messages on screens, and typing."""
    with postgresql() as url, peer_redis(url) as redis:
        peer = _measure_node(url, redis)
    with postgresql() as url, carillon(url, MEMBERS) as system:
        ours = _measure_carillon(system)
    sides = [("socket.io, redis-adapter, pg: one row, one emit", peer), ("Carillon", ours)]
    yield Result(
        "chat",
        f"{SENDERS * MESSAGES_EACH} messages of {SENDERS} senders, {CONNECTED:,} of {MEMBERS:,} members connected",
        "messages on screens/s",
        [Line(name, found.messages, found.answers, ours=found is ours) for name, found in sides],
        aims=["as fast"],
    )
    yield Result(
        "chat-typing",
        f"{TYPISTS} members begin to type, {CONNECTED:,} connected",
        "events on screens/s",
        [Line(name, found.typing, ours=found is ours) for name, found in sides],
        aims=["as fast"],
    )


class _Found(NamedTuple):
    """Messages and typing events on screens per second, and how long senders waited for their answers (ms)."""

    messages: float
    answers: dict[str, float]
    typing: float


def _measure_node(url: str, redis: str) -> _Found:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE peer_messages (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, sender text NOT NULL,"
            " content text NOT NULL, sent_at timestamptz NOT NULL)"
        )
        database = f"{connection.info.host}:{connection.info.dbname}"
    with node("chat.mjs", redis, database) as server:
        greetings = [f'40{{"user":"{user(i)}"}}' for i in range(CONNECTED)]
        return _measure(server.read()["port"], greetings, '40{"sid"')


def _measure_carillon(system: System) -> _Found:
    _call(system, "POST", "", {"id": CONVERSATION, "type": "group", "participants": [user(0)]})
    for first in range(1, MEMBERS, ADDED):
        added = [user(i) for i in range(first, min(first + ADDED, MEMBERS))]
        _call(system, "POST", f"/{CONVERSATION}/members", {"users": added})
    hour = timedelta(hours=1)
    tokens = [factories.create_token(system.settings, subject=user(i), lifetime=hour) for i in range(CONNECTED)]
    greetings = [f'40{{"token":"{token}","dialect":"canonical"}}' for token in tokens]
    return _measure(system.ports["web"], greetings, '42["session:ready"')


def _call(system: System, method: str, path: str, body: Mapping[str, object]) -> None:
    headers = {"Authorization": f"Bearer {system.key}"}
    url = f"{system.url}/v1/conversations{path}"
    requests.request(method, url, json=body, headers=headers, timeout=60).raise_for_status()


def _measure(port: int, greetings: list[str], ready: str) -> _Found:
    with node("crowd.mjs") as crowd:
        connect_all(crowd, port, greetings, ready)
        message = {"conversationId": CONVERSATION, "content": CONTENT, "type": "text", "tempId": "t#"}
        # The first round is a warm-up and does not count.
        _round(crowd, "chat:send", message, "chat:message", SENDERS, 1, CONNECTED)
        seconds, answers = _round(crowd, "chat:send", message, "chat:message", SENDERS, MESSAGES_EACH, CONNECTED)
        typing = {"conversationId": CONVERSATION, "isTyping": True}
        # A member does not hear of their own typing.
        typed, _ = _round(crowd, "chat:typing", typing, "chat:typing:start", TYPISTS, 1, CONNECTED - 1)
    ordered = sorted(answers)
    return _Found(
        SENDERS * MESSAGES_EACH * CONNECTED / seconds,
        {"answer, median ms": median(ordered), "answer, p99 ms": ordered[len(ordered) * 99 // 100]},
        TYPISTS * (CONNECTED - 1) / typed,
    )


def _round(
    crowd: Program, event: str, payload: Mapping[str, object], heard: str, clients: int, each: int, screens: int
) -> tuple[float, list[float]]:
    """Return the seconds until every screen has every event, and the milliseconds until each answer."""
    number = clients * each * screens
    crowd.ask(do="count", event=f'42["{heard}",', number=number)
    began = time.perf_counter()
    answers = crowd.ask(do="send", event=event, payload=payload, clients=clients, each=each)
    counted = crowd.ask(do="wait", seconds=_TIMEOUT)
    if counted != {"counted": number}:
        raise RuntimeError(f"{answers}, {counted} instead of {number}")
    return time.perf_counter() - began, answers["milliseconds"]
