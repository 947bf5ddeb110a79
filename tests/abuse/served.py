"""The web process with small limits, so that tests reach them soon."""

from __future__ import annotations

from flask import Flask

from web import gevent_worker
from web.app import create_app

NEWCOMERS = 20
REQUEST_SECONDS = 2


def application() -> Flask:
    gevent_worker._REQUEST_SECONDS = REQUEST_SECONDS  # type: ignore[attr-defined]
    app = create_app()
    app.extensions["carillon"].newcomers._limit = NEWCOMERS
    return app
