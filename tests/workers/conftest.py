from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from models.channels import CHANNELS
from tests.factories import NOW, create_tenant
from tests.workers.scripted import ScriptedChannel, ScriptedPublisher
from workers.runtime import Runtime


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def run(engine, clock, recorder) -> Runtime:
    """A runtime with scripted channels in both modes, and a scripted publisher."""
    create_tenant(engine)
    channels = {mode: {name: ScriptedChannel(name) for name in CHANNELS} for mode in ("live", "test")}
    publisher = ScriptedPublisher()
    return Runtime(
        engine=engine,
        channels=channels,
        bells=recorder,
        lease=60.0,
        publisher=publisher,
        now=clock,
        monotonic=lambda: clock.now.timestamp(),
        rng=lambda: 1.0,
    )
