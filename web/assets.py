"""The files of web/static. Pages load them from addresses that contain their hash, so browsers never ask again."""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from hashlib import sha256
from mimetypes import guess_type
from pathlib import Path

from flask import Blueprint, Flask, Response, request, send_from_directory
from werkzeug.security import safe_join

STATIC = Path(__file__).parent / "static"

# Everything comes from here: what a notification says can be shown, but never run.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    # A new release is seen at once; what has not changed is answered with 304.
    "Cache-Control": "no-cache",
}
_FOR_EVER = "public, max-age=31536000, immutable"

# What is worth compressing.
_TEXT = re.compile(r"\.(js|css|svg|map)$")


def register(app: Flask) -> None:
    """Add the routes, and `asset` to the templates."""
    routes = Blueprint("assets", __name__)

    @routes.get("/static/<path:name>")
    def static(name: str) -> Response:
        return file(name)

    @routes.get("/static/v-<version>/<path:name>")
    def versioned(version: str, name: str) -> Response:
        response = file(name)
        # During a release, a page of another version may ask here. It gets what there is, and asks again next time.
        if response.status_code in (200, 304) and version == _version(name):
            response.headers["Cache-Control"] = _FOR_EVER
        return response

    @routes.get("/static/build/<path:name>")
    def program(name: str) -> Response:
        response = file(f"build/{name}")
        # Pages of other sites load the client from here, and a module is loaded only with the server's consent.
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    app.register_blueprint(routes)
    app.jinja_env.globals["asset"] = address


def address(name: str) -> str:
    """The address of a file of web/static for our own pages. It changes when the content does."""
    return f"/static/v-{_version(name)}/{name}"


def file(name: str) -> Response:
    """A file of web/static, compressed if the client can read that. Raises NotFound."""
    response = _compressed(name) or send_from_directory(STATIC, name)
    response.vary.add("Accept-Encoding")
    response.headers.update(HEADERS)
    return response


def _compressed(name: str) -> Response | None:
    path = safe_join(str(STATIC), name)
    if path is None or not _TEXT.search(name) or not Path(path).is_file():
        return None
    for encoding, ending in (("br", ".br"), ("gzip", ".gz")):
        # The build has compressed what it has written.
        if request.accept_encodings[encoding] and Path(path + ending).is_file():
            response = send_from_directory(STATIC, name + ending, mimetype=guess_type(name)[0])
            response.content_encoding = encoding
            return response
    if request.accept_encodings["gzip"]:
        zipped = _gzipped(path, Path(path).stat().st_mtime_ns)
        response = Response(zipped, mimetype=guess_type(name)[0])
        response.content_encoding = "gzip"
        response.set_etag(sha256(zipped).hexdigest()[:32])
        response.make_conditional(request)
        return response
    return None


def _version(name: str) -> str:
    path = STATIC / name
    return _hash(path, path.stat().st_mtime_ns)


# A build can replace the files of a running server, so both are told when they were changed.


@lru_cache(maxsize=64)
def _hash(path: Path, _changed: int) -> str:
    return sha256(path.read_bytes()).hexdigest()[:16]


@lru_cache(maxsize=64)
def _gzipped(path: str, _changed: int) -> bytes:
    return gzip.compress(Path(path).read_bytes(), mtime=0)
