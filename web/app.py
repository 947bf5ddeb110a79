"""The composition root of the web process: everything is made here, and nothing is connected to yet."""

from __future__ import annotations

import click
from flask import Flask
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI

from bus.bells import Bells
from bus.counters import Counters
from config.settings import Settings, SettingsError
from models.catalogue.source import shared
from models.sql.engine import connect
from web import VERSION, asyncapi, cli, demo, health, pages, problems
from web import middleware as edge
from web.api import alerts, dead_letters, devices, inbox, operator, presence, topics
from web.api import event_types as catalogue
from web.api import notification_status as lookup
from web.api import publish_event as events_in
from web.api import users as people
from web.api.body import SINGLE
from web.api.compat import devices as fcm
from web.api.compat import inbox as aliases
from web.api.compat import polling
from web.api.endpoint import SECURITY_SCHEMES
from web.auth import Authenticator, JwtKeys
from web.context import Context, utc_now
from web.limits import Limiter
from web.metrics import Metrics
from web.poll_interval import PollInterval
from web.problems import ProblemDocument
from web.realtime import attach
from web.realtime.handlers.alerts import alert_events
from web.realtime.handlers.inbox import inbox_events
from web.realtime.metrics import open_connections
from web.realtime.presence.leases import Leases

_ABOUT = "One call rings every channel. What open pages hear: [/docs/events](/docs/events)."


class UnusableSettings(SettingsError, click.ClickException):
    """The settings, seen from a command line: the list of what is wrong, and no traceback."""


def create_app(settings: Settings | None = None, bells: Bells | None = None) -> Flask:
    """The web process, from the environment if no settings are given. Raises SettingsError."""
    try:
        settings = settings or Settings.from_env()
        keys = JwtKeys.load(settings.jwks_file)
    except SettingsError as error:
        raise UnusableSettings(str(error)) from error
    engine = connect(settings.database_url)
    bells = bells or Bells(settings.broker_url)
    authenticator = Authenticator(keys, settings.jwt_issuer, engine)
    rates = Counters(settings.redis_url, settings.redis_channel, open_connections)
    app = _flask()
    app.extensions["carillon"] = carillon = Context(
        settings=settings,
        engine=engine,
        bells=bells,
        keys=keys,
        authenticator=authenticator,
        limiter=Limiter(settings.redis_url),
        metrics=Metrics(engine, utc_now, rates),
        rates=rates,
        pace=PollInterval(settings.redis_url, polling.MIN_INTERVAL / 1000),
        catalogue=shared(settings.catalogue_file),
        leases=Leases(settings.redis_url, settings.redis_channel),
    )
    problems.register(app)
    edge.register(app, settings)
    health.register(app, settings, engine)
    cli.register(app)
    # lookup.api is that of notifications, events_in.api that of events: they answer under the same paths.
    sent = (lookup, events_in, alerts, dead_letters, catalogue)
    reached = (people, devices, topics, inbox, polling, presence, aliases, fcm)
    operated = (operator.overview, operator.tenants, operator.users)
    for module in (*sent, *reached, *operated):
        app.register_api(module.api)
    asyncapi.register(app)
    pages.register(app, settings)
    if settings.env == "development":
        demo.register(app)
    heard = {**inbox_events(engine, bells, utc_now), **alert_events(engine, bells, utc_now)}
    manager = attach(
        app, settings, engine, authenticator, bells, events=heard, shown=carillon.metrics.shown
    ).server.manager
    # Redis hears this process and is not heard by it: only a new process can help.
    carillon.alive["message queue"] = lambda: "deaf" if manager.deaf else None
    return app


def _flask() -> OpenAPI:
    app = OpenAPI(
        "carillon",
        info=Info(title="Carillon", version=VERSION, description=_ABOUT),
        security_schemes=SECURITY_SCHEMES,
        # Every operation describes its errors itself (web/api/endpoint.py), so flask-openapi3 adds none.
        validation_error_status="default",
        validation_error_model=ProblemDocument,
        doc_ui=False,
        static_folder=None,
    )
    app.config["MAX_CONTENT_LENGTH"] = SINGLE
    # A user's id may hold two slashes in a row; a redirect would change it.
    app.url_map.merge_slashes = False
    return app
