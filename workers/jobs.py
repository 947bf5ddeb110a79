"""The doorbells: what may be asked of the workers. All that the web process may import from here.

A bell says "look"; what there is to do stands in SQL. One that is lost is rung again by the relay, one that is rung
twice finds nothing. None is ever rung before the commit that it announces.
"""

from __future__ import annotations

import logging
from uuid import UUID

from kombu.exceptions import OperationalError

from celeryconfig import BELL_EXPIRES
from workers.app import app

log = logging.getLogger(__name__)


def ring_expand(notification_id: UUID) -> bool:
    """Ask for the next page of a notification. False where the broker cannot be reached."""
    return _ring("expand", [str(notification_id)], "intake")


def ring_deliver(channel: str, queue: str) -> bool:
    """Ask for what is due on a channel. False where the broker cannot be reached."""
    return _ring(f"deliver {channel}", [], queue)


def _ring(task: str, args: list[str], queue: str) -> bool:
    try:
        app.send_task(task, args=args, queue=queue, expires=BELL_EXPIRES)
    except OperationalError as error:
        log.warning("bell not rung", extra={"task": task, "error": type(error).__name__})
        return False
    return True
