"""What a worker process works with, put together once, after any fork."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial
from threading import Event
from uuid import UUID

from sqlalchemy import Engine

from actions.installation import Installation
from actions.meter import Meter
from actions.quotas import Quotas
from actions.usage import UsageCounts
from bus.bells import Bells
from bus.circuit_breaker import CircuitBreaker
from bus.counters import Counters
from bus.publisher import Publisher
from channels import registry
from channels.base import Channel
from config.settings import Settings
from models.catalogue.source import shared
from models.channels import CHANNELS
from models.events.bus_key import bus_key
from models.sql.clock import Clock, utc_now
from models.sql.engine import connect
from storage import registry as storages
from workers.single_flight import SingleFlight

# A channel whose provider has an outage is paused for this long (seconds), and twice as long after each batch that has
# found out that the outage goes on. FCM asks for at least 10 s (firebase.google.com/docs/cloud-messaging/scale-fcm).
FIRST_PAUSE = 10.0
# A batch a minute costs a provider nothing, and the queue moves within a minute of the outage's end.
LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Runtime:
    """The objects that tasks work with: engine, channels by mode and name, publisher, clocks, random numbers.

    `now` is the time of the installation, for what is stored, and `leases_now` that for the leases of others, if it is
    another one. `monotonic` is for what ends with this process.
    """

    engine: Engine
    channels: dict[str, dict[str, Channel]]
    bells: Bells
    lease: float
    retention_days: int = 30
    publisher: Publisher | None = None
    counters: Counters | None = None
    usage: UsageCounts | None = None
    publishing: SingleFlight = field(default_factory=SingleFlight)
    previewing: SingleFlight = field(default_factory=SingleFlight)
    now: Callable[[], datetime] = utc_now
    leases_now: Callable[[], datetime] | None = None
    monotonic: Callable[[], float] = time.monotonic
    rng: Callable[[], float] = random.random
    # What actions work with; None in tests that call none.
    installation: Installation | None = None
    # By channel: open while its provider has an outage.
    breakers: dict[str, CircuitBreaker] = field(init=False, default_factory=dict)
    # Notifications that cannot be expanded; see workers/expand.py.
    apart: set[UUID] = field(init=False, default_factory=set)
    # Leases of batches that were sent, and whose results wait for the database.
    unrecorded: set[UUID] = field(init=False, default_factory=set)
    # Set when the process has been told to end.
    stopping: Event = field(init=False, default_factory=Event)

    def __post_init__(self) -> None:
        for name, spec in CHANNELS.items():
            self.breakers[name] = CircuitBreaker(
                min(spec.policy.base, FIRST_PAUSE),
                self.monotonic,
                longest=LONGEST_PAUSE,
                patience=self.lease,
            )

    def close(self) -> None:
        """Release every connection."""
        for by_name in self.channels.values():
            for channel in by_name.values():
                channel.close()
        if self.publisher is not None:
            self.publisher.close()
        if self.counters is not None:
            self.counters.close()
        if self.usage is not None:
            self.usage.close()
        self.bells.close()
        self.engine.dispose()


def build(settings: Settings) -> Runtime:
    """The runtime of a worker. Connects to nothing yet."""
    engine = connect(settings.database_url)
    now = Clock(engine)
    bells = Bells(settings.broker_url)
    counters = Counters(settings.redis_url, settings.bus_topic)
    usage = UsageCounts(engine, now)
    publisher = Publisher.of(settings)
    return Runtime(
        engine=engine,
        channels={"live": registry.build(settings, "live", now), "test": registry.build(settings, "test", now)},
        bells=bells,
        lease=settings.lease,
        retention_days=settings.retention_days,
        publisher=publisher,
        counters=counters,
        usage=usage,
        now=now,
        leases_now=partial(now.for_leases, settings.lease),
        installation=Installation(
            engine=engine,
            bells=bells,
            publisher=publisher,
            meter=Meter(counters, usage),
            quotas=Quotas(engine, settings.redis_url),
            catalogue=shared(settings.catalogue_file),
            retention=timedelta(days=settings.retention_days),
            has_lab=settings.lab_url is not None,
            mail_takes_utf8=settings.smtp_utf8,
            storage=storages.build(settings, partial(bus_key, engine)),
            attachment_max_bytes=settings.attachment_max_bytes,
            now=now,
        ),
    )


@cache
def runtime() -> Runtime:
    """This process's runtime, from the environment."""
    return build(Settings.from_env())
