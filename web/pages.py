"""The HTML pages, and the files that they load."""

from __future__ import annotations

from mimetypes import guess_type
from pathlib import Path

from flask import Blueprint, Flask, Response, jsonify, request, send_from_directory
from werkzeug.security import safe_join

from actions.problems import Problem
from config.settings import Settings
from web import VERSION
from web.tone import tone

_STATIC = Path(__file__).parent / "static"

# Everything comes from here: what a notification says can be shown, but never run.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    # A new release is seen at once; what has not changed is answered with 304.
    "Cache-Control": "no-cache",
}


def register(app: Flask, settings: Settings) -> None:
    """Add the routes."""
    routes = Blueprint("pages", __name__)

    @routes.get("/")
    def inbox() -> Response:
        return page("inbox.html", needs="build/inbox/inbox.js")

    @routes.get("/console")
    @routes.get("/console/<path:_view>")
    def console(_view: str = "") -> Response:
        # One document for all of its views: the browser tells them apart by the path.
        return page("console.html", needs="build/console/console.js")

    @routes.get("/console/config.json")
    def console_config() -> Response:
        # Known before a user has signed in, so it contains no secret.
        return jsonify(version=VERSION, development=settings.env == "development", flower_url=settings.flower_url)

    @routes.get("/static/<path:name>")
    def static(name: str) -> Response:
        return _file(name)

    @routes.get("/static/build/<path:name>")
    def program(name: str) -> Response:
        response = _file(f"build/{name}")
        # Pages of other sites load the client from here, and a module is loaded only with the server's consent.
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    @routes.get("/js/websocket.js")
    def four_namespaces() -> Response:
        # Where pages of the system with four namespaces load their client from.
        if not (_STATIC / "build" / "websocket.js").is_file():
            raise Problem(
                503, "not_built", "the client has not been built: make client, which needs Node.js 20 or newer"
            )
        return _file("build/websocket.js")

    @routes.get("/sounds/notification.mp3")
    def sound() -> Response:
        # These pages play this URL. Browsers go by the media type.
        return Response(tone(), mimetype="audio/wav", headers={"Cache-Control": "public, max-age=86400"})

    app.register_blueprint(routes)


def page(name: str, needs: str) -> Response:
    """Return a file of web/static with its headers. Raises Problem if the script that it `needs` is not built."""
    if not (_STATIC / needs).is_file():
        raise Problem(503, "not_built", "this has not been built: make client, which needs Node.js 20 or newer")
    return _file(name)


def _file(name: str) -> Response:
    response = _compressed(name) or send_from_directory(_STATIC, name)
    response.vary.add("Accept-Encoding")
    response.headers.update(HEADERS)
    return response


def _compressed(name: str) -> Response | None:
    """The file as the build has compressed it, if there is one that the client can read."""
    for encoding, ending in (("br", ".br"), ("gzip", ".gz")):
        path = safe_join(str(_STATIC), name + ending)
        if path is not None and Path(path).is_file() and request.accept_encodings[encoding]:
            response = send_from_directory(_STATIC, name + ending, mimetype=guess_type(name)[0])
            response.content_encoding = encoding
            return response
    return None
