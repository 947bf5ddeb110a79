"""The composition root of the web process: creates everything, and connects to nothing yet."""

from __future__ import annotations

import json
from datetime import timedelta
from functools import partial
from typing import Any

import click
from flask import Flask, Request
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from werkzeug.routing import MapAdapter

from actions.quotas import Quotas
from actions.tokens import Claims
from bus.bells import Bells
from bus.counters import Counters
from bus.presence import Leases
from bus.publisher import Publisher
from carillon.problems import ProblemDocument
from config.jwt_keys import KeySource
from config.settings import Settings, SettingsError
from models.catalogue.source import shared
from models.events.bus_key import bus_key
from models.sql.clock import Clock
from models.sql.engine import connect
from storage import registry as storages
from web import VERSION, assets, asyncapi, cli, demo, files, health, middleware, packages, pages, problems
from web.api import (
    alerts,
    attachments,
    compat,
    connections,
    conversations,
    dead_letters,
    deliveries,
    devices,
    event_types,
    events,
    inbox,
    members,
    messages,
    notifications,
    operator,
    outbox,
    presence,
    topics,
    usage,
    users,
)
from web.api.body import SINGLE
from web.api.endpoint import SECURITY_SCHEMES
from web.auth import Authenticator
from web.context import Context
from web.documentation import routes as documentation
from web.limits import Limiter
from web.metrics import Metrics
from web.newcomers import Newcomers
from web.polling_pages import PollingPages
from web.realtime import attach
from web.realtime.handlers.alerts import alert_events
from web.realtime.handlers.inbox import inbox_events
from web.realtime.metrics import open_connections
from web.routing import CONVERTERS, encoded_path
from web.turns import Turns

_ABOUT = "One call sends on every channel. The events of the socket are described in [/docs/events](/docs/events)."


class App(OpenAPI):
    """A Flask application that routes by the encoded path, and whose OpenAPI document generators can compile."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.url_map.converters |= CONVERTERS

    @property
    def api_doc(self) -> dict[str, Any]:
        """The OpenAPI document.

        Members of a body have no `default`: generators take one for a value to send, or for a member that is always
        there (openapi-typescript). The description of the member says it.
        """
        if not self.spec_json:
            _say_defaults(super().api_doc["components"]["schemas"])
        document: dict[str, Any] = self.spec_json
        return document

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Called by Flask for each request."""
        adapter = super().create_url_adapter(request)
        if adapter is not None and request is not None:
            adapter.path_info = encoded_path(request.environ)
        return adapter


def _say_defaults(node: Any) -> None:
    if isinstance(node, list):
        for inner in node:
            _say_defaults(inner)
    elif isinstance(node, dict):
        for name, member in node.get("properties", {}).items():
            default = member.pop("default", None)
            # An empty list or object says the same as none.
            if default not in (None, [], {}) and name not in node.get("required", ()):
                words = f"`{default if isinstance(default, str) else json.dumps(default)}` if not given."
                member["description"] = " ".join(filter(None, [member.get("description"), words]))
        for inner in node.values():
            _say_defaults(inner)


class UnusableSettings(SettingsError, click.ClickException):
    """The settings, seen from a command line: the list of what is wrong, and no traceback."""


def create_app(settings: Settings | None = None, bells: Bells | None = None) -> Flask:
    """The web process, from the environment if no settings are given. Raises SettingsError."""
    try:
        settings = settings or Settings.from_env()
        keys = KeySource.of(settings)
        engine = connect(settings.database_url)
        storage = storages.build(settings, partial(bus_key, engine))
    except SettingsError as error:
        raise UnusableSettings(str(error)) from error
    claims = Claims.of(settings)
    now = Clock(engine)
    bells = bells or Bells(settings.broker_url)
    authenticator = Authenticator(keys, claims, engine, now)
    rates = Counters(settings.redis_url, settings.bus_topic, open_connections)
    metrics = Metrics(engine, now, rates)
    app = _flask()
    app.extensions["carillon"] = carillon = Context(
        settings=settings,
        engine=engine,
        bells=bells,
        publisher=Publisher.of(settings),
        keys=keys,
        claims=claims,
        authenticator=authenticator,
        limiter=Limiter(settings.redis_url),
        meter=metrics,
        quotas=Quotas(engine, settings.redis_url),
        metrics=metrics,
        counters=rates,
        polling_pages=PollingPages(settings.redis_url, compat.polling.MIN_INTERVAL / 1000),
        catalogue=shared(settings.catalogue_file),
        leases=Leases(settings.redis_url, settings.bus_topic),
        newcomers=Newcomers(),
        turns=Turns(),
        retention=timedelta(days=settings.retention_days),
        has_lab=settings.lab_url is not None,
        mail_takes_utf8=settings.smtp_utf8,
        storage=storage,
        attachment_max_bytes=settings.attachment_max_bytes,
        now=now,
    )
    problems.register(app)
    middleware.register(app, settings)
    health.register(app, settings, engine, bells)
    cli.register(app)
    sent = (notifications, events, alerts, outbox, deliveries, dead_letters, event_types, usage)
    reached = (users, devices, topics, inbox, presence, connections)
    talked = (conversations, members, messages, attachments)
    replaced = (compat.chat, compat.polling, compat.inbox, compat.devices, compat.stats)
    operated = (operator.audit, operator.overview, operator.tenants, operator.users)
    for module in (*sent, *reached, *talked, *replaced, *operated):
        app.register_api(module.api)
    files.register(app)
    asyncapi.register(app)
    assets.register(app)
    pages.register(app, settings)
    packages.register(app)
    documentation.register(app, settings)
    if settings.env == "development":
        demo.register(app)
    handled = {**inbox_events(carillon), **alert_events(carillon)}
    manager = attach(
        app, settings, carillon, authenticator, carillon.newcomers, carillon.leases, events=handled
    ).server.manager
    # Redis receives from this process, but the process does not receive from Redis: only a restart helps.
    carillon.alive["message queue"] = lambda: "deaf" if manager.deaf else None
    return app


def _flask() -> App:
    app = App(
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
    # Two slashes in a row are not one: there is no redirect.
    app.url_map.merge_slashes = False
    return app
