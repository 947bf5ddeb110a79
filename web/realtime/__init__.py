"""Socket.IO: live events, replay from the log, acknowledgements. Promises and events: docs/realtime.md."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType

from engineio.payload import Payload
from flask import Flask
from flask_socketio import SocketIO

from actions.installation import Installation
from bus.presence import Leases
from bus.signature import secret_of
from config.settings import Settings
from web.auth import Authenticator
from web.dialects import NAMESPACES
from web.newcomers import Newcomers
from web.origins import AllowedOrigins
from web.realtime.gateway.gateway import Gateway
from web.realtime.gateway.handshake import Origins
from web.realtime.handlers.table import Handler, client_events
from web.realtime.limits import MAX_MESSAGE
from web.realtime.presence.presence import Presence
from web.realtime.presence.typing import Typing
from web.realtime.replay.bookmarks import Bookmarks
from web.realtime.timing import Timing
from web.realtime.transport.engine import PolledRequests, harden
from web.realtime.transport.manager import QueueManager
from web.realtime.transport.wire import StrictJson, StrictPacket


def attach(
    app: Flask,
    settings: Settings,
    installation: Installation,
    authenticator: Authenticator,
    newcomers: Newcomers,
    leases: Leases | None = None,
    timing: Timing | None = None,
    events: Mapping[str, Handler] = MappingProxyType({}),
) -> SocketIO:
    """Put Socket.IO before the application. No connection and no thread is made before `listen` or the first client.

    `events` holds the handlers of events that clients can send, besides those of the connection itself.
    `socketio.server.manager` is the QueueManager; /healthz reads its `.deaf`.
    """
    timing = timing or Timing()
    origins = Origins(AllowedOrigins.of(settings))
    manager = QueueManager(settings.redis_url, settings.bus_topic, secret_of(settings), timing)
    socketio = SocketIO(
        app,
        async_mode=settings.socketio_async_mode,
        client_manager=manager,
        ping_interval=settings.socketio_ping_interval,
        ping_timeout=settings.socketio_ping_timeout,
        # A list would shut out pages of our own origin, and an empty one would switch the check off.
        cors_allowed_origins=origins.allow,
        max_http_buffer_size=MAX_MESSAGE,
        transports=["websocket", "polling"],
        always_connect=False,
        # A client's events are handled one after the other where they are read. Each in a thread of its own, they would
        # overtake one another, and a client could start as many threads as it likes before its limit is looked at.
        async_handlers=False,
        manage_session=False,
        namespaces=list(NAMESPACES),
        json=StrictJson,
        serializer=StrictPacket,
        logger=_quiet("socketio.server"),
        engineio_logger=_quiet("engineio.server"),
    )
    # This is a setting of all servers of the process. A client that polls sends all its packets in one request. With
    # more than this the library would drop all of them and answer OK; their size is bounded already.
    Payload.max_decode_packets = MAX_MESSAGE
    server = socketio.server
    patience = settings.socketio_ping_interval + settings.socketio_ping_timeout
    strangers = harden(server, newcomers, patience)
    app.wsgi_app = PolledRequests(app.wsgi_app, server.eio, strangers)  # type: ignore[method-assign]
    presence = Presence(leases or Leases(settings.redis_url, settings.bus_topic, timing.lease, timing.reload), timing)
    bookmarks = Bookmarks(settings.redis_url, settings.bus_topic, patience)
    typing = Typing(installation)
    gateway = Gateway(server, installation, authenticator, origins, presence, typing, bookmarks, strangers, timing)
    gateway.serve(client_events(installation, presence, typing, gateway.check_room, events))
    for namespace in NAMESPACES:
        gateway.register(namespace)
    manager.bind(gateway)
    app.extensions["carillon.gateway"] = gateway
    return socketio


def stop(app: Flask) -> None:
    """Close all connections, when the process is about to end. The clients reconnect to another one."""
    app.extensions["carillon.gateway"].stop()


def listen(app: Flask) -> None:
    """Subscribe to the message queue now. The library would subscribe only when the first client connects."""
    server = app.extensions["socketio"].server
    if not server.manager_initialized:
        server.manager_initialized = True
        server.manager.initialize()


def _quiet(name: str) -> logging.Logger:
    # At INFO they log every packet, and with the handshake the token.
    logger = logging.getLogger(name)
    logger.setLevel(logging.ERROR)
    return logger
