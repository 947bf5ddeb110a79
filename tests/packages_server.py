"""A server that gives out the packages, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import make_server

from tests.factories import free_port
from web import packages


@contextmanager
def packages_server() -> Iterator[str]:
    """The URL of its packages."""
    app = Flask("packages")
    packages.register(app)
    server = make_server("127.0.0.1", free_port(), app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.port}/packages"
    finally:
        server.shutdown()
