"""The HTML pages, and the files at the addresses of earlier systems."""

from __future__ import annotations

import re

from flask import Blueprint, Flask, Response, jsonify, request

from actions.problems import Problem
from config.settings import Settings
from web import VERSION, assets
from web.tone import tone

# Where a page loads a file from.
_LOADED = re.compile(r'(?<=")/static/([^"]+)')


def register(app: Flask, settings: Settings) -> None:
    """Add the routes."""
    routes = Blueprint("pages", __name__)

    @routes.get("/")
    def inbox() -> Response:
        return page("inbox.html", needs="build/inbox/inbox.js")

    @routes.get("/chat")
    def chat() -> Response:
        return page("chat.html", needs="build/chat/chat.js")

    @routes.get("/console")
    @routes.get("/console/<path:_view>")
    def console(_view: str = "") -> Response:
        # One document for all of its views: the browser tells them apart by the path.
        return page("console.html", needs="build/console/console.js")

    @routes.get("/console/config.json")
    def console_config() -> Response:
        # Known before a user has signed in, so it contains no secret.
        return jsonify(version=VERSION, development=settings.env == "development", flower_url=settings.flower_url)

    @routes.get("/js/websocket.js")
    def four_namespaces() -> Response:
        # Where pages of the system with four namespaces load their client from.
        if not (assets.STATIC / "build" / "websocket.js").is_file():
            raise Problem(
                503, "not_built", "the client has not been built: make client, which needs Node.js 20 or newer"
            )
        return assets.file("build/websocket.js")

    @routes.get("/sounds/notification.mp3")
    def sound() -> Response:
        # These pages play this URL. Browsers go by the media type.
        return Response(tone(), mimetype="audio/wav", headers={"Cache-Control": "public, max-age=86400"})

    app.register_blueprint(routes)


def page(name: str, needs: str) -> Response:
    """Return a page of web/static with its headers. Raises Problem if the script that it `needs` is not built."""
    if not (assets.STATIC / needs).is_file():
        raise Problem(503, "not_built", "this has not been built: make client, which needs Node.js 20 or newer")
    html = (assets.STATIC / name).read_text(encoding="utf-8")
    response = Response(_LOADED.sub(lambda found: assets.address(found[1]), html), mimetype="text/html")
    response.headers.update(assets.HEADERS)
    response.add_etag()
    response.make_conditional(request)
    return response
