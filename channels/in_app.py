"""The in-app channel: a batch goes to the Socket.IO message queue in one publish, and every web process hears it.

Published is not delivered: Redis keeps nothing for a web process that is away. What arrives nowhere is found in the log
by the client's next replay, and only the client's acknowledgement says that it was seen."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisError

from bus.envelope import Group, room_name
from bus.publisher import MAX_BYTES, Publisher
from channels.base import Channel
from config.settings import Settings
from models.deliveries.lifecycle import Failure, Outcome, Rejected, RetryLater, Sent
from models.deliveries.message import Action, Message
from models.events.vocabulary import NOTIFICATION_DELETED, NOTIFICATION_NEW, notification_deleted, notification_new

log = logging.getLogger(__name__)

# Seconds between two warnings that nobody listens.
_WARN_EVERY = 60.0


class InAppChannel:
    """Puts notifications on the screens that are connected."""

    name = "in_app"

    def __init__(self, writer: Publisher, clock: Callable[[], float] = time.monotonic) -> None:
        self._writer = writer
        self._clock = clock
        self._lock = threading.Lock()
        self._warned_at: float | None = None

    def send(self, batch: Sequence[Message]) -> Sequence[Outcome]:
        """Publish the batch, in one message unless it is very large. `Sent` promises no more than that."""
        # Whoever is missing from every envelope has no number, and a client could not put it in its place.
        outcomes: list[Outcome] = [Rejected("no event in the log", Failure.UNCLASSIFIED)] * len(batch)
        for envelope in _pack(batch):
            outcome = self._send(envelope)
            for index in envelope.indexes:
                outcomes[index] = outcome
        return outcomes

    def check(self) -> str | None:
        """See Channel. That no web process listens is no hindrance: nobody is connected then."""
        try:
            self._writer.heard()
        except (RedisError, TimeoutError) as error:
            return f"redis: {type(error).__name__}"
        return None

    def close(self) -> None:
        """Release the connections to Redis."""
        self._writer.close()

    def _send(self, envelope: _Envelope) -> Outcome:
        try:
            listeners = self._writer.publish(list(envelope.groups.values()))
        except RedisError as error:
            return RetryLater(f"redis: {type(error).__name__}", Failure.PROVIDER_DOWN)
        if not listeners:
            self._warn()
        return Sent()

    def _warn(self) -> None:
        # Without a web process nobody is connected, so nothing is lost. But a wrong channel name looks the same.
        now = self._clock()
        with self._lock:
            if self._warned_at is not None and now - self._warned_at < _WARN_EVERY:
                return
            self._warned_at = now
        log.warning("no web process listens", extra={"redis_channel": self._writer.channel})


@dataclass(slots=True)
class _Envelope:
    """What travels in one message, and which messages of the batch are in it."""

    groups: dict[tuple[int, Action], Group] = field(default_factory=dict)
    indexes: list[int] = field(default_factory=list)
    size: int = 0


def _pack(batch: Sequence[Message]) -> list[_Envelope]:
    envelopes = [_Envelope()]
    fresh: dict[tuple[int, Action], tuple[str, dict[str, Any], int]] = {}
    for index, message in enumerate(batch):
        if message.seq is None:
            continue
        # Messages of a batch share one Content object, which cannot be hashed itself.
        key = (id(message.content), message.action)
        if key not in fresh:
            event, payload = _event(message)
            fresh[key] = (event, payload, len(json.dumps(payload)))
        event, payload, payload_size = fresh[key]
        room = room_name(message.content.tenant, f"user:{message.user}")
        # In JSON: the room's name, its number of at most 19 digits, and punctuation.
        size = len(json.dumps(room)) + 25
        envelope = envelopes[-1]
        if envelope.indexes and envelope.size + size + (0 if key in envelope.groups else payload_size) > MAX_BYTES:
            envelope = _Envelope()
            envelopes.append(envelope)
        if key not in envelope.groups:
            envelope.groups[key] = Group(event, payload, [])
            envelope.size += payload_size
        envelope.groups[key].rooms.append((room, message.seq))
        envelope.indexes.append(index)
        envelope.size += size
    return [envelope for envelope in envelopes if envelope.indexes]


def _event(message: Message) -> tuple[str, dict[str, Any]]:
    if message.action is Action.WITHDRAW:
        return NOTIFICATION_DELETED, notification_deleted(message.content.notification_id)
    return NOTIFICATION_NEW, notification_new(message.content)


def build(settings: Settings, mode: str) -> Channel | None:
    """The channel of live keys; for test keys the lab's screen, or None where there is no lab."""
    if mode == "live":
        return InAppChannel(Publisher(settings.redis_url, settings.redis_channel))
    if settings.lab_url is None:
        return None
    # Imported only here: a process without a lab needs none of its HTTP.
    from channels.lab import LabScreen

    return LabScreen(settings.lab_url, settings.provider_timeout)
