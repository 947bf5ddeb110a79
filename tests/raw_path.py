"""The application as a transport of httpx, with the path as it was sent: WSGI servers pass it on, httpx does not."""

from __future__ import annotations

from typing import Any

import httpx


class WSGITransport(httpx.WSGITransport):
    """Calls a WSGI application."""

    def __init__(self, app: Any) -> None:
        def with_path(environ: dict[str, Any], start_response: Any) -> Any:
            return app({**environ, "RAW_URI": self._path}, start_response)

        super().__init__(with_path)
        self._path = ""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._path = request.url.raw_path.decode()
        return super().handle_request(request)
