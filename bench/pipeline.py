"""Benchmark of in-app delivery end to end on PostgreSQL, from one request to a settled row for every recipient.

A thousand of the recipients have an open page.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests
from sqlalchemy import Engine, exists, func, select, text

from bench.processes import Program, node, program
from bench.report import Line, Result
from models.deliveries.tables import deliveries
from models.notifications.tables import notifications
from models.sql.clock import utc_now
from models.sql.engine import connect, read, write
from models.users.queries import Person, upsert_users
from tests import factories
from tests.databases import ROOT, postgresql_server
from tests.pipeline.system import System

RECIPIENTS = 100_000
SCREENS = 1000
SETTLE_TIMEOUT = 300
CONTENT = {"title": "Backup finished", "message": "All 3 volumes were saved.", "data": {"volumes": 3}}
# Fewer recipients than for Carillon: a job or a task costs the same however many there are.
JOBS, TASKS = 10_000, 2_000
# PostgreSQL's defaults except for memory, whose default of 128 MB is for very small machines.
OPTIONS = ("shared_buffers=512MB", "max_wal_size=4GB")

PEER_TABLE = """
CREATE TABLE peer_notifications (
    id bigserial PRIMARY KEY, user_name text NOT NULL, title text NOT NULL, message text NOT NULL, data jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), sent_at timestamptz
);
CREATE INDEX ON peer_notifications (user_name, id)
"""


def pipeline() -> Result:
    """Measure 100,000 recipients, and a BullMQ job or a Celery task per recipient for comparison."""
    with postgresql() as url, peer_tables(url, PEER_TABLE) as directory:
        bullmq = _bullmq(url, directory)
        celery = _celery(url, directory)
    with postgresql() as url, carillon(url, RECIPIENTS) as system, _screens(system, RECIPIENTS) as crowd:
        _send(system, crowd, SCREENS, SCREENS * SCREENS // RECIPIENTS)
        seconds = _send(system, crowd, RECIPIENTS, SCREENS)
    return Result(
        name="pipeline",
        title=f"in-app to {RECIPIENTS:,} recipients on PostgreSQL, {SCREENS:,} of them connected",
        unit="recipients/s",
        lines=[
            Line("BullMQ, socket.io, pg: a job each", bullmq, {"recipients": JOBS}),
            Line("Celery, Flask-SocketIO, psycopg: a task each", celery, {"recipients": TASKS}),
            Line("Carillon", RECIPIENTS / seconds, {"recipients": RECIPIENTS}, ours=True),
        ],
        aims=["10,000 recipients/s", "at least 5 times either"],
    )


def scale(sizes: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)) -> Result:
    """Measure the worker's CPU time per recipient and its memory, for a thousand to a million recipients."""
    lines = []
    with postgresql() as url, carillon(url, max(sizes)) as system, _screens(system, max(sizes)) as crowd:
        screens = {size: size * SCREENS // max(sizes) for size in sizes}
        _send(system, crowd, sizes[0], screens[sizes[0]])
        worker = psutil.Process(system.processes["worker"].pid)
        for size in sizes:
            before = sum(worker.cpu_times()[:2])
            seconds = _send(system, crowd, size, screens[size])
            more = {
                "µs CPU of the worker each": (sum(worker.cpu_times()[:2]) - before) / size * 1e6,
                "worker MiB": worker.memory_info().rss / 2**20,
                "seconds": seconds,
            }
            lines.append(Line(f"Carillon, {size:,} recipients", size / seconds, more, ours=True))
    return Result(
        name="scale",
        title=f"in-app on PostgreSQL, {SCREENS:,} connected",
        unit="recipients/s",
        lines=lines,
        aims=["the cost of a recipient is flat within 20 %", "the worker's memory is flat"],
    )


@contextmanager
def postgresql(*options: str) -> Iterator[str]:
    # On disk, as in production. Tests keep it in memory.
    with postgresql_server((*OPTIONS, *options), parent=None) as server, server.database() as url:
        yield url


# Carillon


@contextmanager
def carillon(url: str, users: int) -> Iterator[System]:
    with tempfile.TemporaryDirectory() as folder:
        system = System(url, Path(folder), LOG_LEVEL="INFO")
        try:
            _populate(system.engine, users)
            system.start("redis", "web", "worker", "relay")
            yield system
        finally:
            system.stop()


def user(number: int) -> str:
    """Return a name that sorts like its number, because users are inserted in the order of their names."""
    return f"u{number:07}"


def _populate(engine: Engine, users: int) -> None:
    """Create users of the tenant acme, and a topic for each size of audience."""
    now = utc_now()
    for first in range(0, users, 5000):
        with write(engine) as connection:
            named = [Person(user(i)) for i in range(first, min(first + 5000, users))]
            upsert_users(connection, "acme", named, now)
            if not first:
                # Autovacuum can be too late, and foreign keys are checked by reading the whole table until then.
                connection.execute(text("ANALYZE users"))
    size = 1000
    while size <= users:
        with write(engine) as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(
                text(
                    "INSERT INTO subscriptions (tenant_id, topic, user_id, created_at) "
                    "SELECT 'acme', :topic, id, now() "
                    "FROM users WHERE tenant_id = 'acme' AND external_id <> 'alice' ORDER BY id LIMIT :size"
                ),
                {"topic": f"first-{size}", "size": size},
            )
        size *= 10


@contextmanager
def _screens(system: System, users: int) -> Iterator[Program]:
    """Open the pages of some users, who are spread evenly over the audience."""
    hour = timedelta(hours=1)
    connected = [user(i) for i in range(0, users, users // SCREENS)]
    tokens = [factories.create_token(system.settings, subject=name, lifetime=hour) for name in connected]
    with node("crowd.mjs") as crowd:
        greetings = [f'40{{"token":"{token}","dialect":"canonical"}}' for token in tokens]
        connect_all(crowd, system.ports["web"], greetings, '42["session:ready"')
        yield crowd


def connect_all(crowd: Program, port: int, greetings: list[str], ready: str) -> None:
    """Connect a client for each greeting. Raises RuntimeError if not all are connected."""
    answer = crowd.ask(do="connect", port=port, greetings=greetings, ready=ready)
    if answer != {"connected": len(greetings)}:
        raise RuntimeError(str(answer))
    # Wait until the work that follows a connection, such as presence updates, is done.
    time.sleep(3)


def _send(system: System, crowd: Program, size: int, screens: int) -> float:
    """Return the seconds from the request until every row is settled and every open page has the event."""
    crowd.ask(do="count", event='42["notification:new"', number=screens)
    body = {"audience": {"topic": f"first-{size}"}, "channels": ["in_app"], **CONTENT}
    began = time.perf_counter()
    answer = requests.post(
        f"{system.url}/v1/notifications", json=body, headers={"Authorization": f"Bearer {system.key}"}, timeout=10
    )
    answer.raise_for_status()
    _wait_until(lambda: settled(system.engine, answer.json()["id"], size), began)
    counted = crowd.ask(do="wait", seconds=30)["counted"]
    if counted < screens:
        raise RuntimeError(f"only {counted} of {screens} open pages got the event")
    return time.perf_counter() - began


def settled(engine: Engine, id_: str, size: int) -> bool:
    open_ = exists().where(deliveries.c.channel == "in_app", deliveries.c.due_at.is_not(None))
    this = notifications.c.id == id_
    with read(engine) as connection:
        done = connection.execute(
            select(notifications.c.recipients).where(this, notifications.c.state == "expanded", ~open_)
        ).scalar()
    if done is None:
        return False
    with read(engine) as connection:
        mine = select(func.count()).where(deliveries.c.notification_id == id_, deliveries.c.state == "sent")
        sent = connection.execute(mine).scalar_one()
    if (done, sent) != (size, size):
        raise RuntimeError(f"{done} recipients, {sent} sent, not {size}")
    return True


def _wait_until(check: Callable[[], bool], began: float) -> float:
    while not check():
        if time.perf_counter() - began > SETTLE_TIMEOUT:
            raise RuntimeError(f"not settled within {SETTLE_TIMEOUT} s")
        time.sleep(0.05)
    return time.perf_counter() - began


# The alternatives


@contextmanager
def peer_tables(url: str, tables: str) -> Iterator[str]:
    """Create the tables of an alternative. Yields PostgreSQL's directory and the database's name."""
    engine = connect(url)
    with write(engine) as connection:
        for statement in tables.split(";"):
            connection.execute(text(statement))
    engine.dispose()
    name, _, directory = url.partition("@/")[2].partition("?host=")
    yield f"{directory}:{name}"


@contextmanager
def peer_redis(url: str) -> Iterator[str]:
    """Run a Redis for an alternative. Yields its URL."""
    with tempfile.TemporaryDirectory() as folder:
        system = System(url, Path(folder))
        try:
            system.start("redis")
            yield system.settings.redis_url
        finally:
            system.stop()


def _all_written(connection: Any, number: int) -> bool:
    return bool(connection.execute("SELECT count(*) >= %s FROM peer_notifications", (number,)).fetchone()[0])


def _measure_peer(url: str, crowd: Program, recipients: int, queue: Callable[[], Any]) -> float:
    """Return recipients per second, from the request until the last row is written."""
    crowd.ask(do="count", event='42["news"', number=SCREENS)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("TRUNCATE peer_notifications")
        began = time.perf_counter()
        queue()
        seconds = _wait_until(lambda: _all_written(connection, recipients), began)
    counted = crowd.ask(do="wait", seconds=30)["counted"]
    if counted < SCREENS:
        raise RuntimeError(f"only {counted} of {SCREENS} open pages got the event")
    return recipients / seconds


def _bullmq(url: str, directory: str) -> float:
    with ExitStack() as stack:
        redis = stack.enter_context(peer_redis(url))
        server = stack.enter_context(node("socketio.mjs", "serve", redis))
        worker = stack.enter_context(node("bullmq.mjs", "worker", redis, directory))
        producer = stack.enter_context(node("bullmq.mjs", "producer", redis, directory))
        crowd = stack.enter_context(node("crowd.mjs"))
        worker.read()
        connect_all(crowd, server.read()["port"], [f'40{{"user":"u{i}"}}' for i in range(SCREENS)], '40{"sid"')
        return _measure_peer(url, crowd, JOBS, lambda: producer.ask(recipients=JOBS, content=CONTENT))


def _celery(url: str, _directory: str) -> float:
    with ExitStack() as stack:
        redis = stack.enter_context(peer_redis(url))
        environment = {
            "REDIS_URL": redis,
            "BROKER_URL": redis,
            "PEER_DATABASE": url.replace("+psycopg", ""),
            "PYTHONPATH": str(ROOT),
        }
        python = [sys.executable, "-W", "ignore", "-m"]
        server = stack.enter_context(program([*python, "bench.peers.celery_peer", "0"], environment))
        stack.enter_context(
            program(
                [*python, "celery", "--quiet", "-A", "bench.peers.celery_peer", "worker", "-c", "4", "-l", "ERROR"],
                environment,
            )
        )
        crowd = stack.enter_context(node("crowd.mjs"))
        connect_all(crowd, server.read()["port"], [f'40{{"user":"u{i}"}}' for i in range(SCREENS)], '40{"sid"')
        from celery import Celery

        tasks = Celery("peer", broker=redis, set_as_current=False)
        tasks.conf.broker_url = redis

        def queue() -> None:
            with tasks.producer_pool.acquire() as producer:
                for i in range(TASKS):
                    tasks.send_task("notify", args=[f"u{i}", CONTENT], producer=producer)

        return _measure_peer(url, crowd, TASKS, queue)
