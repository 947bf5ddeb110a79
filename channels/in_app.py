"""The in-app channel: a batch goes to the Socket.IO message queue in one publish, and every web process hears it.

Published is not delivered: Redis keeps nothing for a web process that is away. What arrives nowhere is found in the log
by the client's next replay, and only the client's acknowledgement says that it was seen.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from socketio import RedisManager

from channels.base import Action, Channel, Message
from channels.events import (
    BATCH,
    NOTIFICATION_DELETED,
    NOTIFICATION_NEW,
    Group,
    notification_deleted,
    notification_new,
    room_name,
)
from models.lifecycle import Failure, Outcome, Rejected, RetryLater, Sent
from models.settings import Settings

log = logging.getLogger(__name__)

# Redis copies a published message into the output buffer of every subscriber, and cuts off one whose buffer passes
# 32 MB (client-output-buffer-limit). A batch of a thousand with one content has some 60 kB.
MAX_BYTES = 1_000_000

# Seconds between two warnings that nobody listens.
_WARN_EVERY = 60.0


def redis_options() -> dict[str, Any]:
    """How to talk to Redis in bounded time: no retries, because the default ten hide an outage for seconds."""
    return {"socket_timeout": 2, "socket_connect_timeout": 1, "retry": Retry(NoBackoff(), 0)}


class QueueWriter(RedisManager):  # type: ignore[misc]  # the base carries no types
    """Publishes to the Socket.IO message queue, and says what became of it. Usable from any number of threads."""

    def __init__(self, url: str, channel: str) -> None:
        super().__init__(url, channel=channel, write_only=True, redis_options=redis_options())
        self._connecting = threading.Lock()

    def publish(self, groups: Sequence[Group]) -> int:
        """Hand the groups to every web process in one message; returns how many of them listen. Raises RedisError."""
        listeners: int = self._publish(
            {
                "method": "emit",
                "event": BATCH,
                "data": [[{"event": g.event, "payload": g.payload, "rooms": g.rooms} for g in groups]],
                "binary": False,
                "namespace": "/",
                # A Socket.IO server that does not know BATCH would emit it to everybody if there were no room.
                "room": BATCH,
                "skip_sid": None,
                "callback": None,
                "host_id": self.host_id,
            }
        )
        return listeners

    def heard(self, seconds: float = 2.0) -> int:
        """Publish a batch of nothing to oneself. Returns how many others hear it too.

        Raises RedisError, TimeoutError where what is published does not come back.
        """
        client: Any = redis.Redis.from_url(self.redis_url, **redis_options())
        with client, client.pubsub(ignore_subscribe_messages=True) as ear:
            ear.subscribe(self.channel)
            # The answer to the subscription, which is what the time-out below must not be spent on.
            ear.get_message(timeout=seconds)
            listeners = self.publish([])
            if ear.get_message(timeout=seconds) is None:
                raise TimeoutError(f"what is published to {self.channel} does not come back")
        return listeners - 1

    def close(self) -> None:
        """Release the connections."""
        if self.redis is not None:
            self.redis.close()

    def _publish(self, data: dict[str, Any]) -> int:
        # The base tries twice, logs, and returns None: a caller could not know that nothing was sent.
        with self._connecting:
            if self.redis is None:
                self._redis_connect()
        return int(self.redis.publish(self.channel, self.json.dumps(data)))


class InAppChannel:
    """Puts notifications on the screens that are connected."""

    name = "in_app"

    def __init__(self, writer: QueueWriter, clock: Callable[[], float] = time.monotonic) -> None:
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
        return InAppChannel(QueueWriter(settings.redis_url, settings.redis_channel))
    if settings.lab_url is None:
        return None
    # Imported only here: a process without a lab needs none of its HTTP.
    from channels.lab import LabScreen

    return LabScreen(settings.lab_url, settings.provider_timeout)
