"""Publishes to the Socket.IO message queue."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import redis
from socketio import RedisManager

from bus.envelope import BATCH, Group
from bus.redis import redis_options

# Redis copies a published message into the output buffer of every subscriber, and cuts off one whose buffer passes
# 32 MB (client-output-buffer-limit). A batch of a thousand with one content has some 60 kB.
MAX_BYTES = 1_000_000


class Publisher(RedisManager):  # type: ignore[misc]  # the base carries no types
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
