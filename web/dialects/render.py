"""From events of the log to what happened, by its canonical name. How a client is told is its dialect's."""

from __future__ import annotations

from typing import Any

from models.events.log import Event
from models.events.vocabulary import (
    NOTIFICATION_DELETED,
    NOTIFICATION_NEW,
    generic,
    notification_deleted,
    notification_new,
)

# "Numbers `from` to `seq` of the room hold nothing for you": recalled or expired before the client heard of them.
EVENT_SKIPPED = "event:skipped"

Rendered = tuple[str, dict[str, Any]]


def render(event: Event) -> Rendered:
    """The canonical name and payload of an event, as they were emitted when it was new."""
    place = {"room": event.room, "seq": event.seq}
    if event.type == NOTIFICATION_NEW:
        if event.content is None or event.withdrawn:
            return skipped(event.room, event.seq, event.seq)
        return NOTIFICATION_NEW, notification_new(event.content) | place
    # With data it is the user's own doing, and names what was deleted itself.
    if event.type == NOTIFICATION_DELETED and event.data is None:
        if event.content is None:
            return skipped(event.room, event.seq, event.seq)
        return NOTIFICATION_DELETED, notification_deleted(event.content.notification_id) | place
    return event.type, generic(event.data, event.created_at) | place


def skipped(room: str, first: int, last: int) -> Rendered:
    """The event that stands for numbers with nothing behind them, so that a client need not wait for them."""
    return EVENT_SKIPPED, {"room": room, "from": first, "seq": last}
