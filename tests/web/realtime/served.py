"""The application that the processes of these tests serve: Socket.IO and nothing else, in a hurry."""

from __future__ import annotations

import os
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from flask import Flask, jsonify
from prometheus_client import generate_latest

from actions.installation import Installation, utc_now
from actions.meter import Meter
from actions.principal import Principal
from actions.quotas import Quotas
from actions.tokens import Claims
from actions.usage import UsageCounts
from bus.bells import Bells
from bus.counters import Counters
from bus.publisher import Publisher
from config.jwt_keys import JwtKeys
from config.logging_setup import configure_logging
from config.settings import Settings
from models.catalogue.source import shared
from models.sql.engine import connect
from web.auth import Authenticator
from web.newcomers import Newcomers
from web.realtime import attach
from web.realtime.gateway import sessions
from web.realtime.handlers.inbox import inbox_events
from web.realtime.replay import replayer as replay
from web.realtime.timing import Timing

HURRY = Timing(
    heartbeat=0.3,
    deaf_after=3.0,
    resubscribe_max=0.5,
    heads=1.0,
    grace=0.3,
    gap=0.5,
    paging=1.0,
    retry=0.3,
    lease=6.0,
    renew=1.0,
    reload=1.0,
    presence_retry=0.5,
    expiring=1.0,
    handshake=1.2,
    tick=0.2,
)


# Reached with a few hundred events instead of thousands.
BACKLOG = 60


def whoami(principal: Principal, payload: Any) -> dict[str, Any]:
    return {"user": principal.id, "payload": payload}


def broken(_principal: Principal, _payload: Any) -> dict[str, Any]:
    raise RuntimeError("a bug")


def application() -> Flask:
    sessions.MAX_BACKLOG = replay.MAX_BACKLOG = BACKLOG  # type: ignore[attr-defined]
    settings = Settings.from_env()
    configure_logging(settings.log_level)
    engine = connect(settings.database_url)
    authenticator = Authenticator(JwtKeys.load(settings.jwks_file), Claims.of(settings), engine)
    counters = Counters(settings.redis_url, settings.bus_topic)
    installation = Installation(
        engine=engine,
        bells=Bells(settings.broker_url),
        publisher=Publisher.of(settings),
        meter=Meter(counters, UsageCounts(engine, utc_now)),
        quotas=Quotas(engine, settings.redis_url),
        catalogue=shared(settings.catalogue_file),
        retention=timedelta(days=settings.retention_days),
        has_lab=False,
        mail_takes_utf8=False,
    )
    app = Flask("served")
    newcomers = Newcomers()
    # web/gunicorn.py starts its counters, and web/gevent_worker.py bounds the connections.
    app.extensions["carillon"] = SimpleNamespace(counters=counters, newcomers=newcomers)
    timing = Timing() if os.environ.get("UNHURRIED") else HURRY
    events = {"whoami": whoami, "broken": broken, **inbox_events(installation)}
    socketio = attach(app, settings, installation, authenticator, newcomers, timing=timing, events=events)
    manager: Any = socketio.server.manager

    @app.get("/healthz")
    def healthz() -> Any:
        return jsonify(deaf=manager.deaf, listening=manager.listening)

    @app.get("/metrics")
    def metrics() -> Any:
        return generate_latest()

    return app
