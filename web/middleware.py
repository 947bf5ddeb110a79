"""Middleware of every request: request id, access log, CORS, security headers."""

from __future__ import annotations

import logging
import re
import time
from uuid import uuid4

from flask import Flask, Response, g, request

from actions.problems import Problem
from config.settings import Settings
from web.context import context
from web.origins import AllowedOrigins
from web.turns import FILES, is_large

log = logging.getLogger("web.access")

# A request id of the caller must not be able to forge a line of our log.
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:\-]{1,64}")

# Requested by machines every few seconds: logged only if they fail.
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

_CROSS_ORIGIN = ("/v1/", "/api/", FILES)
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Idempotency-Key, X-Request-Id, Carillon-Tenant, Carillon-Mode"
    ),
    "Access-Control-Max-Age": "600",
}
_EXPOSED = (
    "Location, Idempotent-Replayed, Retry-After, RateLimit, RateLimit-Policy, "
    "RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, X-Request-Id"
)

# A page that serves more than JSON sets its own policy.
_SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-site",
}


def register(app: Flask, settings: Settings) -> None:
    """Install the middleware in the application."""
    allowed = AllowedOrigins.of(settings)
    _count_small(app)

    @app.before_request
    def _begin() -> None:
        g.began = time.perf_counter()
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        # RFC 9112 §3.2. HTTP/1.0 has no such rule.
        if "HTTP_HOST" not in request.environ and request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
            raise Problem(400, "host_missing", "send a Host header: HTTP/1.1 requires it")

    @app.after_request
    def _end(response: Response) -> Response:
        if request.method == "OPTIONS" and response.status_code == 200:
            # Flask has answered with the methods of the route, and an empty body.
            response.status_code = 204
        response.headers["X-Request-Id"] = g.get("request_id", "")
        response.headers.extend(g.get("limit_headers", {}))
        for name, value in _SECURITY.items():
            response.headers.setdefault(name, value)
        if request.path.startswith(_CROSS_ORIGIN):
            # Answers depend on the token, so no cache can share them.
            response.headers.setdefault("Cache-Control", "no-store")
        if request.path.startswith(_CROSS_ORIGIN):
            _allow_origin(response, allowed)
        _record(response)
        return response


def _count_small(app: Flask) -> None:
    """Tell large requests, which wait in web/api/endpoint.py, that small ones are being served."""

    @app.before_request
    def _begin() -> None:
        if not is_large():
            g.turns = context().turns
            g.turns.begin_small()

    @app.teardown_request
    def _end(_error: BaseException | None) -> None:
        if "turns" in g:
            g.pop("turns").end_small()


def _allow_origin(response: Response, allowed: AllowedOrigins) -> None:
    # The answer depends on the Origin even if that is refused.
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin is None or origin not in allowed:
        return
    # No Allow-Credentials: tokens travel in a header, and there is no cookie that another site could use.
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = _EXPOSED
    # The answer to a preflight can be read by other sites, as the resource itself.
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method == "OPTIONS":
        response.headers.update(_PREFLIGHT)


def _record(response: Response) -> None:
    # The rule and not the path: no ids in the log, and as many series of metrics as there are routes.
    route = request.url_rule.rule if request.url_rule is not None else "unknown"
    seconds = time.perf_counter() - g.get("began", time.perf_counter())
    method = request.method if request.url_rule is not None else "other"
    metrics = context().metrics
    metrics.requests.labels(route, method, f"{response.status_code // 100}xx").inc()
    metrics.seconds.labels(route).observe(seconds)
    context().counters.increment("requests")
    if route in _QUIET and response.status_code < 400:
        return
    principal = g.get("principal")
    log.info(
        "request",
        extra={
            "method": request.method,
            "route": route,
            "status": response.status_code,
            "ms": round(seconds * 1000, 1),
            "tenant": principal.tenant if principal is not None else None,
            "request_id": g.get("request_id"),
        },
    )
