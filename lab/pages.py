"""The lab's page, which shows the messages that arrived."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from lab.certificate import Certificate

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/favicon.svg": ("favicon.svg", "image/svg+xml"),
}


class Pages:
    """Serves the page's files and the mail server's certificate."""

    def __init__(self, certificate: Certificate) -> None:
        folder = Path(__file__).parent
        self._files = {path: ((folder / name).read_bytes(), kind) for path, (name, kind) in _FILES.items()}
        self._certificate = certificate

    def routes(self) -> list[web.RouteDef]:
        """Return the endpoints."""
        return [*(web.get(path, self.file) for path in _FILES), web.get("/ca.pem", self.ca_certificate)]

    async def file(self, request: web.Request) -> web.Response:
        """Return one of the page's files."""
        content, kind = self._files[request.path]
        return web.Response(body=content, content_type=kind, charset="utf-8", headers=_HEADERS)

    async def ca_certificate(self, _request: web.Request) -> web.Response:
        """Return the certificate that clients of the mail server must trust for TLS."""
        return web.Response(text=self._certificate.pem, content_type="application/x-pem-file")
