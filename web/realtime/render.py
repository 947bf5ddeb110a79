"""From events of the log to what a client is told, namespace by namespace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from channels.events import NOTIFICATION_DELETED, NOTIFICATION_NEW, generic, notification_deleted, notification_new
from models.log import Event

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
    if event.type == NOTIFICATION_DELETED:
        if event.content is None:
            return skipped(event.room, event.seq, event.seq)
        return NOTIFICATION_DELETED, notification_deleted(event.content.notification_id) | place
    return event.type, generic(event.data, event.created_at) | place


def skipped(room: str, first: int, last: int) -> Rendered:
    """The event that stands for numbers with nothing behind them, so that a client need not wait for them."""
    return EVENT_SKIPPED, {"room": room, "from": first, "seq": last}


class View(Protocol):
    """How connections to one namespace are told of events."""

    namespace: str

    def told(self, event: str, payload: dict[str, Any]) -> Sequence[Rendered]:
        """A canonical event by the names it has there: none, one or several."""
        ...


class Canonical:
    """Every event as it is."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def told(self, event: str, payload: dict[str, Any]) -> Sequence[Rendered]:
        """See View."""
        return [(event, payload)]


# The namespaces clients may connect to, and how events are called there. A dialect adds its own.
NAMESPACES: dict[str, View] = {"/": Canonical("/")}
