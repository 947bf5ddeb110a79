"""The routes of the documentation. A process renders and compresses each page once."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

from flask import Blueprint, Response, render_template, request, send_from_directory
from flask_openapi3.openapi import OpenAPI

from actions.problems import Problem
from config.settings import Settings
from web.assets import HEADERS
from web.asyncapi import current
from web.documentation import api_reference, event_reference, guides
from web.examples import with_examples


class _Page(NamedTuple):
    html: bytes
    gzipped: bytes
    etag: str


def register(app: OpenAPI, settings: Settings) -> None:
    """Add the routes."""
    routes = Blueprint("documentation", __name__, template_folder="../templates")
    # What the pages show is fixed when the process starts, and there are as many as there are files.
    rendered: dict[str, _Page] = {}

    def page(render: Callable[[], str]) -> Response:
        if request.path not in rendered:
            rendered[request.path] = _page(render())
        return _answer(rendered[request.path])

    @routes.get("/docs")
    def docs() -> Response:
        return page(lambda: render_template("docs.html", **_operations(app, settings.public_url)))

    @routes.get("/docs/events")
    def events() -> Response:
        return page(lambda: render_template("events.html", **event_reference.reference(current())))

    @routes.get("/docs/guides")
    @routes.get("/docs/guides/<path:name>")
    def guide(name: str = "") -> Response:
        if name not in guides.FILES:
            raise Problem(404, "not_found", "there is no such guide: /docs/guides lists them")
        return page(lambda: render_template("guide.html", **guides.guide(name)))

    @routes.get("/docs/guides/screens/<name>")
    def screen(name: str) -> Response:
        response = send_from_directory(guides.SCREENS, name)
        response.headers.update(HEADERS)
        return response

    app.register_blueprint(routes)


def _operations(app: OpenAPI, url: str) -> dict[str, Any]:
    return api_reference.reference(with_examples(app.api_doc), url)


def _page(html: str) -> _Page:
    encoded = html.encode()
    # Without the time of compression, so that all processes send the same.
    return _Page(encoded, gzip.compress(encoded, mtime=0), sha256(encoded).hexdigest()[:32])


def _answer(page: _Page) -> Response:
    compressed = request.accept_encodings["gzip"] > 0
    response = Response(page.gzipped if compressed else page.html, mimetype="text/html")
    response.headers.update(HEADERS)
    response.vary.add("Accept-Encoding")
    if compressed:
        response.content_encoding = "gzip"
    # A tag names the bytes, so each encoding has its own.
    response.set_etag(page.etag + ("-gzip" if compressed else ""))
    response.make_conditional(request)
    return response
