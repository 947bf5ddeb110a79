"""The web process's end of the Socket.IO message queue: it stays subscribed, and detects when it no longer receives."""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from socketio import RedisManager

from bus.envelope import DIRECT_MESSAGE, groups_in, opened
from bus.redis import UNAVAILABLE, connect
from bus.signature import Signature
from web.realtime import metrics
from web.realtime.timing import Timing

log = logging.getLogger(__name__)

# How long (seconds) the subscription waits for a message before it checks the heartbeat.
_POLL_SECONDS = 1.0
# How heartbeats begin, those of other processes too.
_BEAT = b'{"method": "heartbeat", "host_id": "'


class Listener(Protocol):
    """What the manager calls."""

    def started(self) -> None:
        """Start background work: the first client has connected."""

    def subscribed(self) -> None:
        """Handle a new subscription: events may have been missed before it."""

    def connected(self, sid: str) -> None:
        """Handle a client that knows that it is connected."""

    def tenant_of(self, sid: str) -> str | None:
        """Return the tenant of a session, or None if there is no such session."""

    def deliver(self, groups: list[dict[str, Any]]) -> None:
        """Send events, in the form of bus.envelope.Group."""


class QueueManager(RedisManager):  # type: ignore[misc]  # the base carries no types
    """The library's Redis manager, with a subscription that recovers.

    The library's listener sleeps up to a minute between attempts, and cannot tell a quiet subscription from a dead one.
    This one subscribes again within seconds. It publishes a heartbeat to itself, and replaces a subscription that does
    not deliver it. It takes signed messages, and drops all others.
    """

    def __init__(self, url: str, channel: str, secret: Callable[[], bytes], timing: Timing) -> None:
        super().__init__(url, channel=channel)
        self.redis: Any = connect(url)
        self._signature = Signature(secret, channel)
        self._timing = timing
        self._listener: Listener | None = None
        self._beat = _BEAT + self.host_id.encode() + b'"}'
        # When the first heartbeat was published that has not been received; None: all were.
        self._silent_since: float | None = None
        self.listening = False

    @property
    def deaf(self) -> bool:
        """Whether Redis accepts our heartbeats but we do not receive them: this process should be replaced.

        False while Redis itself is unavailable: a restart would not help, and the API works without Redis.
        """
        return self._silent(0.0, self._timing.deaf_after)

    def bind(self, listener: Listener) -> None:
        """Set the listener, before the first client connects."""
        self._listener = listener

    def initialize(self) -> None:
        """Start to listen. The server calls this when the first client connects."""
        super().initialize()
        self.server.start_background_task(self._heartbeats)
        if self._listener is not None:
            self._listener.started()

    def connect(self, sid: str, namespace: str) -> str:
        """Add a client that has passed the handshake."""
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
        """Send a direct message to the session that it names, or to the first session of the connection that it names.

        Every session is a room of its own, in a namespace that a service need not know.
        """
        named, tenant = message.get("room"), message.get("tenant")
        for namespace, rooms in list(self.rooms.items()):
            session = named if named in rooms else None
            if session is None and None in rooms:
                # The room None holds all sessions of a namespace, with their connections (a bidict).
                session = rooms[None].inverse.get(named)
            # A service can reach only connections of its own tenant.
            if session is not None and self._listener is not None and self._listener.tenant_of(session) == tenant:
                super()._handle_emit({**message, "namespace": namespace, "room": session})
                return

    def _publish(self, data: dict[str, Any]) -> int | None:
        # The library's own messages to other processes. It expects no exception, and retrying would block its caller.
        return self._send(lambda: self._signature.sign(json.dumps(data).encode()))

    def _send(self, data: Callable[[], bytes]) -> int | None:
        try:
            return int(self.redis.publish(self.channel, data()))
        except UNAVAILABLE as error:
            log.warning("not published", extra={"error": type(error).__name__})
        except Exception:
            # If the heartbeat task ended, a process that receives nothing would look healthy.
            log.exception("not published")
        return None

    def _heartbeats(self) -> None:
        while True:
            self.server.sleep(self._timing.heartbeat)
            # Without a subscription, silence says nothing.
            if self.listening and self._send(lambda: self._beat) and self._silent_since is None:
                self._silent_since = time.monotonic()

    def _silent(self, not_before: float, seconds: float) -> bool:
        since = self._silent_since
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
                # Whatever the error was, a process that does not listen is of no use.
                log.exception("message queue lost")
            finally:
                self.listening = False
            # Random, so that the processes do not all reconnect at once.
            self.server.sleep(delay * random.uniform(0.5, 1))  # noqa: S311
            delay = min(2 * delay, self._timing.resubscribe_max)

    def _subscription(self) -> Iterator[dict[str, Any]]:
        """Yield the messages of one subscription, until it fails or goes silent."""
        pubsub = self.redis.pubsub()
        began = time.monotonic()
        try:
            pubsub.subscribe(self.channel)
            while True:
                message = pubsub.get_message(timeout=_POLL_SECONDS)
                # Sooner than `deaf`: a new subscription may be all that is needed.
                if self._silent(began, self._timing.deaf_after * 2 / 3):
                    log.warning("message queue silent, subscribing again")
                    return
                if message is None:
                    continue
                if message["type"] == "subscribe":
                    # Also where the client library has reconnected and subscribed by itself.
                    self._has_subscribed()
                elif message["data"] == self._beat:
                    self._silent_since = None
                elif message["type"] == "message" and not message["data"].startswith(_BEAT):
                    found = opened(message["data"], self._signature)
                    if found is None:
                        metrics.UNSIGNED.inc()
                        log.warning("messages without our signature dropped")
                    else:
                        yield found
        finally:
            pubsub.close()

    def _has_subscribed(self) -> None:
        self.listening = True
        metrics.SUBSCRIPTIONS.inc()
        log.info("subscribed to the message queue")
        if self._listener is not None:
            self._listener.subscribed()
