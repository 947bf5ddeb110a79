"""Publish to the Socket.IO message queue."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

from socketio import RedisManager

from bus.envelope import Group, direct_message, message
from bus.redis import connect
from bus.signature import Signature, secret_of
from config.settings import Settings


class Publisher(RedisManager):  # type: ignore[misc]  # the base carries no types
    """Publishes, and reports how many processes received it. Usable from any number of threads.

    `topic` is the topic of the bus: the name under which the processes of one installation find each other in Redis.
    `secret` returns what messages are signed with.
    """

    def __init__(self, url: str, topic: str, secret: Callable[[], bytes]) -> None:
        super().__init__(url, channel=topic, write_only=True)
        self._signature = Signature(secret, topic)
        self.redis: Any = connect(url)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the publisher of an installation. It connects, and reads the secret, at the first message."""
        return cls(settings.redis_url, settings.bus_topic, secret_of(settings))

    def publish(self, groups: Sequence[Group]) -> int:
        """Send the groups to every web process in one message. Returns how many of them are subscribed.

        Raises bus.redis.UNAVAILABLE.
        """
        return self._publish(message(groups, self.host_id))

    def send_direct(self, tenant: str, connection: str, message: dict[str, Any]) -> None:
        """Send a message to one connection or session of the tenant. Raises bus.redis.UNAVAILABLE."""
        self._publish(direct_message(tenant, connection, message, self.host_id))

    def round_trip(self, seconds: float = 2.0) -> int:
        """Publish an empty batch and receive it again. Returns how many others received it.

        Raises bus.redis.UNAVAILABLE, or TimeoutError if it does not come back.
        """
        with self.redis.pubsub(ignore_subscribe_messages=True) as subscription:
            subscription.subscribe(self.channel)
            # The answer to the subscription, which must not use up the time-out below.
            subscription.get_message(timeout=seconds)
            subscribers = self.publish([])
            if subscription.get_message(timeout=seconds) is None:
                raise TimeoutError(f"what is published to {self.channel} does not come back")
        return subscribers - 1

    def close(self) -> None:
        """Release the connections."""
        self.redis.close()

    def _publish(self, data: dict[str, Any]) -> int:
        # The base tries twice, logs, and returns None: a caller could not know that nothing was sent.
        return int(self.redis.publish(self.channel, self._signature.sign(self.json.dumps(data).encode())))
