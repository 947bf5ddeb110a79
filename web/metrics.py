"""Prometheus metrics of the web process and of the queue. Tenants and users are never labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from actions.meter import Meter
from bus.counters import Counters
from models.channels import CHANNELS
from models.deliveries.due import backlog
from models.outbox import queries as outbox
from models.sql.engine import UNAVAILABLE, read

# From an acknowledged poll to a bulk request that waits for SQLite's write lock.
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# From a page that is open to one that is opened the next morning.
_SHOWN = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 86400)


class Metrics(Meter):
    """Counts for actions, and for Prometheus. Each application has its own registry."""

    def __init__(self, engine: Engine, now: Callable[[], datetime], rates: Counters) -> None:
        super().__init__(rates)
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
        self.registry.register(_Backlog(engine, now))

    def accepted(self, priority: str) -> None:
        """See Meter."""
        super().accepted(priority)
        self._accepted.labels(priority).inc()

    def shown_after(self, seconds: float) -> None:
        """See Meter."""
        super().shown_after(seconds)
        self._acknowledged.inc()
        self._shown.observe(seconds)

    def exposition(self) -> bytes:
        """Return all metrics, with those of the process, in Prometheus's text format. Reads the database."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)


class _Backlog(Collector):
    """What is due in the database now, read at each scrape."""

    def __init__(self, engine: Engine, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._now = now

    def describe(self) -> Iterable[Metric]:
        # Registering must not read the database.
        return []

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("carillon_database_up", "Whether the database answered this scrape.")
        due = GaugeMetricFamily("carillon_backlog_due", "Deliveries due, up to 10,000.", labels=["channel"])
        oldest = GaugeMetricFamily(
            "carillon_backlog_oldest_seconds", "How long the oldest of them has been due.", labels=["channel"]
        )
        try:
            with read(self._engine) as connection:
                for channel in CHANNELS:
                    number, age = backlog(connection, channel, self._now())
                    due.add_metric([channel], number)
                    oldest.add_metric([channel], age)
                rows = outbox.backlog(connection, self._now())
        except UNAVAILABLE:
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        waiting = GaugeMetricFamily("carillon_outbox_due", "Rows of the outbox due, up to 10,000.", value=rows.due)
        waited = GaugeMetricFamily("carillon_outbox_oldest_seconds", "Age of the oldest of them.", value=rows.oldest)
        rejected = GaugeMetricFamily(
            "carillon_outbox_rejected", "Rejected rows of the outbox that are kept, up to 10,000.", value=rows.rejected
        )
        return [up, due, oldest, waiting, waited, rejected]
