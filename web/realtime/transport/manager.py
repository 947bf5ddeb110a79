"""The web process's end of the Socket.IO message queue: it subscribes, stays subscribed, and knows when it is deaf."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Iterator
from typing import Any, Protocol

from socketio import RedisManager

from bus.envelope import DIRECT_MESSAGE, groups_in
from bus.redis import UNAVAILABLE, options
from web.realtime import metrics
from web.realtime.timing import Timing

log = logging.getLogger(__name__)

# How long the subscription waits for a message before it looks at the clock.
_PATIENCE = 1.0


class Listener(Protocol):
    """What the manager tells."""

    def started(self) -> None:
        """The first client has come: background work may begin."""

    def subscribed(self) -> None:
        """This process hears the queue from now on, and may have missed something before."""

    def connected(self, sid: str) -> None:
        """The client has been told that it is connected."""

    def tenant_of(self, sid: str) -> str | None:
        """The tenant of a session."""

    def deliver(self, groups: list[dict[str, Any]]) -> None:
        """Events have come, in the form of bus.envelope.Group."""


class QueueManager(RedisManager):  # type: ignore[misc]  # the base carries no types
    """Redis as message queue, with what the library leaves out.

    The library's listener sleeps up to a minute between attempts and cannot tell a quiet subscription from a dead one.
    Ours subscribes again within seconds, publishes a heartbeat to itself, and gives up a subscription that does not
    carry it.
    """

    def __init__(self, url: str, channel: str, timing: Timing) -> None:
        super().__init__(url, channel=channel, redis_options=options())
        self._timing = timing
        self._listener: Listener | None = None
        self._beat = b'{"method": "heartbeat", "host_id": "%s"}' % self.host_id.encode()
        # When the first heartbeat was published that has not been heard; None: all were.
        self._unheard_since: float | None = None
        self.listening = False

    @property
    def deaf(self) -> bool:
        """Redis takes our heartbeats and we do not hear them: this process should be replaced.

        False while Redis itself is away. Nobody can be helped by a restart then, and the API works without it.
        """
        return self._unheard(0.0, self._timing.deaf_after)

    def bind(self, listener: Listener) -> None:
        """Tell this listener; before anything is served."""
        self._listener = listener

    def initialize(self) -> None:
        """Begin to listen; the server calls this when the first client comes."""
        super().initialize()
        self.server.start_background_task(self._heartbeats)
        if self._listener is not None:
            self._listener.started()

    def connect(self, sid: str, namespace: str) -> str:
        """The client has passed the handshake and has been told so."""
        sid = super().connect(sid, namespace)
        if self._listener is not None:
            self._listener.connected(sid)
        return sid

    def _handle_emit(self, message: dict[str, Any]) -> None:
        groups = groups_in(message)
        if groups is not None:
            if self._listener is not None:
                self._listener.deliver(groups)
        elif message.get("event") == DIRECT_MESSAGE:
            self._pass_to_session(message)
        else:
            super()._handle_emit(message)

    def _pass_to_session(self, message: dict[str, Any]) -> None:
        """Pass a direct message on. Every session is a room of its own, in a namespace that a service need not know.

        A connection stands for the first of its sessions.
        """
        named, tenant = message.get("room"), message.get("tenant")
        for namespace, rooms in list(self.rooms.items()):
            session = named if named in rooms else None
            if session is None and None in rooms:
                # The library keeps the connection of each session (bidict) in the room of everybody.
                session = rooms[None].inverse.get(named)
            # A service can reach connections of its own tenant only.
            if session is not None and self._listener is not None and self._listener.tenant_of(session) == tenant:
                super()._handle_emit({**message, "namespace": namespace, "room": session})
                return

    def _publish(self, data: dict[str, Any]) -> int | None:
        # The library's own messages to other processes. It expects no exception, and retrying would block its caller.
        return self._send(json.dumps(data).encode())

    def _send(self, data: bytes) -> int | None:
        try:
            if self.redis is None:
                self._redis_connect()
            return int(self.redis.publish(self.channel, data))
        except UNAVAILABLE as error:
            log.warning("not published", extra={"error": type(error).__name__})
        except Exception:
            # A heartbeat that ends would take a deaf process for a quiet one.
            log.exception("not published")
        return None

    def _heartbeats(self) -> None:
        while True:
            self.server.sleep(self._timing.heartbeat)
            # While nobody is subscribed there is nothing to learn from silence.
            if self.listening and self._send(self._beat) and self._unheard_since is None:
                self._unheard_since = time.monotonic()

    def _unheard(self, not_before: float, seconds: float) -> bool:
        since = self._unheard_since
        return since is not None and time.monotonic() - max(since, not_before) > seconds

    def _listen(self) -> Iterator[dict[str, Any]]:
        delay = 0.25
        while True:
            try:
                for message in self._subscription():
                    delay = 0.25
                    yield message
            except UNAVAILABLE as error:
                log.warning("message queue lost", extra={"error": type(error).__name__, "retry_in": delay})
            except Exception:
                # Whatever it was, a process that does not listen is of no use.
                log.exception("message queue lost")
            finally:
                self.listening = False
            # Spread, so that the processes do not all come back at once.
            self.server.sleep(delay * random.uniform(0.5, 1))  # noqa: S311
            delay = min(2 * delay, self._timing.resubscribe_max)

    def _subscription(self) -> Iterator[dict[str, Any]]:
        """The messages of one subscription, until it fails or carries nothing any more."""
        self._redis_connect()
        pubsub = self.redis.pubsub()
        began = time.monotonic()
        try:
            pubsub.subscribe(self.channel)
            while True:
                message = pubsub.get_message(timeout=_PATIENCE)
                # Sooner than `deaf`: a new subscription may be all that is needed.
                if self._unheard(began, self._timing.deaf_after * 2 / 3):
                    log.warning("message queue silent, subscribing again")
                    return
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    # Also where the client library has reconnected and subscribed by itself.
                    self._has_subscribed()
                elif message["data"] == self._beat:
                    self._unheard_since = None
                elif message["type"] == "message":
                    yield from _decoded(message["data"])
        finally:
            pubsub.close()

    def _has_subscribed(self) -> None:
        self.listening = True
        metrics.SUBSCRIPTIONS.inc()
        log.info("subscribed to the message queue")
        if self._listener is not None:
            self._listener.subscribed()


def _decoded(data: bytes) -> Iterator[dict[str, Any]]:
    # Strict JSON would lose a batch for one number that JSON lacks. What is not an object would end the library's loop,
    # and with it the subscription.
    try:
        message = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(message, dict):
        yield message
