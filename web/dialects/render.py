"""The canonical name and payload of an event of the log. Dialects translate them."""

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

# The numbers `from` to `seq` of the room have no event for the client: recalled or expired before the client got them.
EVENT_SKIPPED = "event:skipped"

Rendered = tuple[str, dict[str, Any]]


def render(event: Event) -> Rendered:
    """Return the canonical name and payload of an event, as they were published."""
    place = {"room": event.room, "seq": event.seq}
    if event.type == NOTIFICATION_NEW:
        if event.content is None or event.withdrawn:
            return skipped(event.room, event.seq, event.seq)
        return NOTIFICATION_NEW, notification_new(event.content) | place
    # With data it was the user's own action, and the data names what was deleted.
    if event.type == NOTIFICATION_DELETED and event.data is None:
        if event.content is None:
            return skipped(event.room, event.seq, event.seq)
        return NOTIFICATION_DELETED, notification_deleted(event.content) | place
    return event.type, generic(event.data, event.created_at) | place


def skipped(room: str, first: int, last: int) -> Rendered:
    """Return the event that stands for numbers without an event, so that a client does not wait for them."""
    return EVENT_SKIPPED, {"room": room, "from": first, "seq": last}
