"""Benchmarks of the web process: accepting notifications, CPU time while idle, and memory for each connection."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import psutil
from sqlalchemy import Engine, text

from bench.pipeline import peer_redis, peer_tables, postgresql
from bench.processes import Program, cpu_seconds, node
from bench.report import Line, Result
from models.sql.engine import write
from tests import factories
from tests.databases import migrate
from tests.pipeline.system import System

SECONDS = 10
CONNECTIONS = 5000
# What the peer needs: the one key that exists, by its hash, and the notifications that it has accepted.
PEER_KEY = "the-key-of-the-peer"
PEER_TABLES = """
CREATE TABLE peer_keys (sha256 text PRIMARY KEY, tenant text NOT NULL);
CREATE TABLE peer_accepted (
    id uuid PRIMARY KEY, tenant text NOT NULL, idempotency_key text NOT NULL, audience jsonb NOT NULL,
    title text NOT NULL, message text NOT NULL, data jsonb NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant, idempotency_key)
)
"""
BODY = {"audience": {"users": ["alice"]}, "title": "Backup finished", "message": "All 3 volumes were saved."}


def accept() -> Result:
    """Measure accepted requests per second over one and over four connections.

    Carillon with all its processes, which send each notification meanwhile; Express with nobody to work on its jobs.
    """
    lines = []
    with postgresql() as url, _express(url) as port, node("callers.mjs") as callers:
        lines += _rates(callers, port, PEER_KEY, "Express, pg, BullMQ", ours=False)
    for name, database in (("SQLite", _sqlite), ("PostgreSQL", postgresql)):
        with (
            database() as url,
            _running(url, "redis", "web", "worker", "relay") as system,
            node("callers.mjs") as callers,
        ):
            before = _cpu(system)["web"]
            measured = _rates(callers, system.ports["web"], system.key, name, ours=True)
            lines += measured
            number = sum(line.figure for line in measured) * SECONDS
            measured[-1].more["ms CPU of the web process each"] = (_cpu(system)["web"] - before) / number * 1000
    return Result("accept", "POST /v1/notifications, committed and answered 202", "requests/s", lines)


def _rates(callers: Program, port: int, key: str, name: str, *, ours: bool) -> list[Line]:
    # All requests have the same API key; its rate limit is above what is measured here.
    lines = []
    for connections in (1, 4):
        answer = callers.ask(
            port=port,
            path="/v1/notifications",
            key=key,
            connections=connections,
            seconds=SECONDS,
            body=BODY,
        )
        if answer["refused"]:
            raise RuntimeError(f"{answer['refused']} requests were refused")
        label = f"{name}, {connections} connection{'s' if connections > 1 else ''}"
        lines.append(Line(label, answer["rate"], {"p50 ms": answer["p50"], "p99 ms": answer["p99"]}, ours=ours))
    return lines


@contextmanager
def _express(url: str) -> Iterator[int]:
    """Run the peer on this database. Yields its port."""
    with (
        peer_tables(url, PEER_TABLES) as directory,
        peer_redis(url) as redis,
        node("express.mjs", redis, directory, PEER_KEY) as server,
    ):
        yield int(server.read()["port"])


def idle() -> Result:
    """Measure the CPU time and the SQL statements of all processes in a minute without notifications."""
    with (
        postgresql("shared_preload_libraries=pg_stat_statements") as url,
        _running(url, "redis", "web", "worker", "relay") as system,
    ):
        time.sleep(10)
        before, statements = _cpu(system), _statements(system.engine)
        time.sleep(60)
        used = {name: after - before[name] for name, after in _cpu(system).items()}
        executed = _statements(system.engine) - statements
    lines = [Line(name, seconds, ours=True) for name, seconds in used.items()]
    lines.append(Line("statements to PostgreSQL, all processes", executed, ours=True))
    return Result("idle", "an idle minute", "seconds of CPU", lines, less=True)


def memory() -> Result:
    """Measure how much memory 5,000 connections add to the web process."""
    with _sqlite() as url, _running(url, "redis", "web") as system, node("crowd.mjs") as crowd:
        hour = timedelta(hours=1)
        tokens = [factories.create_token(system.settings, subject=f"u{i}", lifetime=hour) for i in range(CONNECTIONS)]
        before = _memory(system, "web")
        greetings = [f'40{{"token":"{token}","dialect":"canonical"}}' for token in tokens]
        answer = crowd.ask(do="connect", port=system.ports["web"], greetings=greetings, ready='42["session:ready"')
        if answer != {"connected": CONNECTIONS}:
            raise RuntimeError(str(answer))
        time.sleep(5)
        each = (_memory(system, "web") - before) / CONNECTIONS
    return Result(
        "memory", f"{CONNECTIONS:,} connected clients", "KiB each", [Line("web process", each / 1024, ours=True)]
    )


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/carillon.db"
        migrate(url)
        yield url


@contextmanager
def _running(url: str, *names: str) -> Iterator[System]:
    with tempfile.TemporaryDirectory() as folder:
        system = System(url, Path(folder))
        try:
            system.start(*names)
            yield system
        finally:
            system.stop()


def _process_tree(system: System, name: str) -> list[psutil.Process]:
    first = psutil.Process(system.processes[name].pid)
    return [first, *first.children(recursive=True)]


def _cpu(system: System) -> dict[str, float]:
    return {name: cpu_seconds(process.pid) for name, process in system.processes.items()}


def _memory(system: System, name: str) -> int:
    return sum(one.memory_info().rss for one in _process_tree(system, name))


def _statements(engine: Engine) -> int:
    """Return how many statements PostgreSQL has executed, without BEGIN, COMMIT and the like."""
    with write(engine) as connection:
        connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_stat_statements"))
        counted = text("SELECT sum(calls) FROM pg_stat_statements WHERE query !~* '^(begin|commit|rollback|set|show)'")
        return int(connection.execute(counted).scalar_one())
