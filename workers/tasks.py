"""The tasks, each one call long. Their names are what Flower shows."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from channels.registry import CHANNELS
from workers import housekeeping, jobs
from workers.app import app
from workers.deliver import deliver
from workers.expand import expand_and_ring
from workers.runtime import runtime


@app.task(name="expand")
def expand_task(notification_id: str) -> None:
    """Write the next page of a notification's audience."""
    expand_and_ring(runtime(), UUID(notification_id))


def _deliver_task(channel: str, queue: str) -> Any:
    @app.task(name=f"deliver {channel}")
    def task() -> None:
        if not deliver(runtime(), channel):
            jobs.ring_deliver(channel, queue)

    return task


DELIVER_TASKS = {name: _deliver_task(name, spec.queue) for name, spec in CHANNELS.items()}


@app.task(name="purge")
def purge_task() -> None:
    """Delete what is past retention."""
    housekeeping.purge(runtime())
