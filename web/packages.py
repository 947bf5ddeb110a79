"""What integrators install, given out by the server that it belongs to: the client for pages and the Python package."""

from __future__ import annotations

import io
import shutil
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import Blueprint, Flask, Response, request, send_file
from hatchling.builders.wheel import WheelBuilder

from actions.problems import Problem
from web import VERSION

_ROOT = Path(__file__).resolve().parents[1]
TARBALL = "carillon-client.tgz"
WHEEL = f"carillon-{VERSION}-py3-none-any.whl"

_PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Packages</title></head><body>
<h1>Packages</h1>
<ul><li><a href="/packages/{TARBALL}">{TARBALL}</a></li><li><a href="/packages/{WHEEL}">{WHEEL}</a></li></ul>
</body></html>
"""


def register(app: Flask) -> None:
    """Add the routes."""
    routes = Blueprint("packages", __name__, url_prefix="/packages")

    @routes.get("/")
    def index() -> Response:
        """The addresses of both."""
        return Response(_PAGE, mimetype="text/html")

    @routes.get(f"/{TARBALL}")
    def client() -> Response:
        path = Path(__file__).parent / "static" / "build" / TARBALL
        if not path.is_file():
            detail = "the client has not been built: make client, which needs Node.js 20 or newer"
            raise Problem(503, "not_built", detail)
        return send_file(path, mimetype="application/gzip", max_age=0)

    @routes.get(f"/{WHEEL}")
    def wheel() -> Response:
        response = send_file(io.BytesIO(_wheel()), mimetype="application/zip", download_name=WHEEL, max_age=0)
        response.set_etag(sha256(_wheel()).hexdigest()[:32])
        response.make_conditional(request)
        return response

    app.register_blueprint(routes)


@cache
def _wheel() -> bytes:
    """The wheel of the package, as `make dist` builds it."""
    directory = tempfile.mkdtemp(prefix="carillon-wheel-")
    try:
        [built] = WheelBuilder(str(_ROOT)).build(directory=directory, versions=["standard"])
        return Path(built).read_bytes()
    finally:
        shutil.rmtree(directory)
