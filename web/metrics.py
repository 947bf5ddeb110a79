"""Prometheus metrics of the web process and of the installation. Tenants and users are never labels."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from actions.meter import Meter
from actions.usage import UsageCounts
from bus.counters import Counters
from bus.redis import UNAVAILABLE as REDIS_UNAVAILABLE
from models.channels import CHANNELS
from models.deliveries.dead_letters import count_by_channel
from models.deliveries.due import backlog, lanes_backlog
from models.deliveries.lifecycle import Failure
from models.lanes import Lane
from models.outbox import queries as outbox
from models.sql.engine import UNAVAILABLE, read

# From an acknowledged poll to a bulk request that waits for SQLite's write lock.
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# From a page that is open to one that is opened the next morning.
_SHOWN = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 86400)


# Seconds. Prometheus scrapes every 15 s or more rarely; several scrapers share one look.
MAX_AGE = 2.0
# A statement for metrics that takes longer (seconds) is given up, on PostgreSQL: the database has other work to do.
TIMEOUT = 2.0


class Metrics(Meter):
    """Counts for actions, and for Prometheus. Each application has its own registry."""

    def __init__(self, engine: Engine, now: Callable[[], datetime], rates: Counters) -> None:
        super().__init__(rates, UsageCounts(engine, now))
        self.registry = CollectorRegistry()
        self._accepted = Counter(
            "carillon_accepted_total",
            "Notifications committed, without replays of a known Idempotency-Key.",
            ["priority"],
            registry=self.registry,
        )
        self._acknowledged = Counter(
            "carillon_acknowledged_total",
            "In-app deliveries that clients have acknowledged to this process.",
            registry=self.registry,
        )
        self._shown = Histogram(
            "carillon_shown_seconds",
            "Time from the acceptance of a notification to its acknowledgement by a client, who may have been away.",
            buckets=_SHOWN,
            registry=self.registry,
        )
        self.requests = Counter(
            "carillon_http_requests_total",
            "HTTP requests answered.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "carillon_http_request_seconds",
            "Time to answer an HTTP request.",
            ["route"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.rate_limited = Counter(
            "carillon_rate_limited_total", "Requests refused with 429.", ["scope"], registry=self.registry
        )
        self.unlimited = Counter(
            "carillon_rate_limiter_skipped_total",
            "Requests let through because Redis did not answer.",
            registry=self.registry,
        )
        self.registry.register(_Installation(engine, now, rates))

    def accepted(self, tenant: str, mode: str, priority: str) -> None:
        """See Meter."""
        super().accepted(tenant, mode, priority)
        self._accepted.labels(priority).inc()

    def shown_after(self, seconds: float) -> None:
        """See Meter."""
        super().shown_after(seconds)
        self._acknowledged.inc()
        self._shown.observe(seconds)

    def exposition(self) -> bytes:
        """Return all metrics, with those of the process, in Prometheus's text format. Reads the database."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)


class _Installation(Collector):
    """What is the same at every process: the queues in the database, and what all processes have counted in Redis.

    Read at most once in MAX_AGE, however often and by how many this process is scraped.
    """

    def __init__(self, engine: Engine, now: Callable[[], datetime], counters: Counters) -> None:
        self._engine = engine
        self._now = now
        self._counters = counters
        self._lock = threading.Lock()
        self._read_at = -MAX_AGE
        self._metrics: Sequence[Metric] = []

    def describe(self) -> Iterable[Metric]:
        # Registering must not read the database.
        return []

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            if time.monotonic() - self._read_at >= MAX_AGE:
                self._metrics = [*self._of_database(), *self._of_redis()]
                self._read_at = time.monotonic()
            return self._metrics

    def _of_database(self) -> list[Metric]:
        up = GaugeMetricFamily("carillon_database_up", "Whether the database answered this scrape.")
        due = GaugeMetricFamily("carillon_backlog_due", "Deliveries due, up to 10,000.", labels=["channel"])
        oldest = GaugeMetricFamily(
            "carillon_backlog_oldest_seconds", "How long the oldest of them has been due.", labels=["channel"]
        )
        lane_due = GaugeMetricFamily(
            "carillon_lane_due", "Deliveries due on a lane, up to 10,000.", labels=["channel", "lane"]
        )
        lane_oldest = GaugeMetricFamily(
            "carillon_lane_oldest_seconds", "How long the oldest of them has been due.", labels=["channel", "lane"]
        )
        dead = GaugeMetricFamily(
            "carillon_dead_letters", "Dead letters that are kept, up to 100,000.", labels=["channel", "failure"]
        )
        try:
            with read(self._engine, TIMEOUT) as connection:
                for channel in CHANNELS:
                    number, age = backlog(connection, channel, self._now())
                    due.add_metric([channel], number)
                    oldest.add_metric([channel], age)
                by_lane = lanes_backlog(connection, self._now())
                letters = count_by_channel(connection)
                rows = outbox.backlog(connection, self._now())
        except UNAVAILABLE:
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        for channel in CHANNELS:
            for lane in Lane:
                number, age = by_lane.get((channel, lane), (0, 0.0))
                lane_due.add_metric([channel, lane.name], number)
                lane_oldest.add_metric([channel, lane.name], age)
            for failure in Failure:
                dead.add_metric([channel, failure], letters.get((channel, failure), 0))
        waiting = GaugeMetricFamily("carillon_outbox_due", "Rows of the outbox due, up to 10,000.", value=rows.due)
        waited = GaugeMetricFamily("carillon_outbox_oldest_seconds", "Age of the oldest of them.", value=rows.oldest)
        rejected = GaugeMetricFamily(
            "carillon_outbox_rejected", "Rejected rows of the outbox that are kept, up to 10,000.", value=rows.rejected
        )
        return [up, due, oldest, lane_due, lane_oldest, dead, waiting, waited, rejected]

    def _of_redis(self) -> list[Metric]:
        up = GaugeMetricFamily("carillon_redis_up", "Whether Redis answered this scrape.")
        outcomes = CounterMetricFamily(
            "carillon_deliveries",
            "Attempts of all workers by outcome; pending: to be repeated. The same at every process: take the maximum.",
            labels=["channel", "outcome", "failure"],
        )
        relay = GaugeMetricFamily(
            "carillon_relay_age_seconds", "Time since the relay last looked. Absent: it never did."
        )
        web = GaugeMetricFamily("carillon_web_processes", "Web processes that have reported within ten seconds.")
        paused = GaugeMetricFamily(
            "carillon_channel_paused",
            "Whether the channel is paused because its provider has an outage.",
            labels=["channel"],
        )
        try:
            totals = self._counters.totals()
            age = self._counters.silent_for("relay")
            processes = self._counters.web_processes()
            pauses = self._counters.paused()
        except REDIS_UNAVAILABLE:
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        for name, number in sorted(totals.items()):
            # Others may write to Redis.
            if len(labels := name.split(":")) == 4:
                outcomes.add_metric(labels[1:], number)
        if age is not None:
            relay.add_metric([], age)
        web.add_metric([], len(processes))
        for name in CHANNELS:
            paused.add_metric([name], name in pauses)
        return [up, outcomes, relay, web, paused]
