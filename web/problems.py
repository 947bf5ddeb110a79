"""Answers every error with a problem document (RFC 9457)."""

from __future__ import annotations

import json
import logging
import socket
import time
from contextlib import suppress

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from actions.problems import Problem
from models.sql.engine import UNAVAILABLE
from web.auth import AuthError

log = logging.getLogger(__name__)

_MEDIA_TYPE = "application/problem+json"

# Seconds for which the rest of a malformed request is read.
_LINGER = 1.0


def response(problem: Problem) -> Response:
    """Return a problem as the answer to the current request."""
    document = problem.document(instance=request.path, request_id=g.get("request_id"))
    # ASCII: a lone surrogate in the name of a field must not break the answer that complains about it.
    body = json.dumps(document.model_dump())
    return Response(body, problem.status, problem.headers, mimetype=_MEDIA_TYPE)


def write_problem(sock: socket.socket, status: int, reason: str, message: str) -> None:
    """Answer what the WSGI server could not pass to the application, such as a malformed request line."""
    problem = Problem(status, reason.lower().replace(" ", "_"), message or reason)
    body = json.dumps(problem.document().model_dump())
    head = f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {_MEDIA_TYPE}\r\n"
    sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    # To close a connection with unread bytes resets it, and the client would not see the answer.
    sock.shutdown(socket.SHUT_WR)
    sock.settimeout(_LINGER)
    end = time.monotonic() + _LINGER
    with suppress(OSError):
        while time.monotonic() < end and sock.recv(65_536):
            pass


def from_auth(error: AuthError) -> Problem:
    """Return 401 if another token would be accepted, 403 if the token is of the wrong kind."""
    if error.code == "forbidden":
        return Problem(403, error.code, error.detail)
    challenge = 'Bearer realm="carillon"'
    if error.code != "token_missing":
        challenge += ', error="invalid_token"'
    return Problem(401, error.code, error.detail, headers={"WWW-Authenticate": challenge})


def _from_http(error: HTTPException) -> Problem:
    status = error.code or 500
    code = (error.name or "error").lower().replace(" ", "_")
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return Problem(status, code, error.description or error.name, headers=headers)


def register(app: Flask) -> None:
    """Answer every exception of the application with a problem document."""

    @app.errorhandler(Problem)
    def _problem(error: Problem) -> Response:
        return response(error)

    @app.errorhandler(AuthError)
    def _auth(error: AuthError) -> Response:
        return response(from_auth(error))

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        # A redirect is not an error.
        if error.code is not None and error.code < 400:
            return error.get_response()  # type: ignore[return-value]
        return response(_from_http(error))

    def _unavailable(error: Exception) -> Response:
        log.warning("database unavailable", extra={"error": type(error).__name__, "request_id": g.get("request_id")})
        return response(
            Problem(503, "database_unavailable", "nothing was changed; try again", headers={"Retry-After": "1"})
        )

    for unavailable in UNAVAILABLE:
        app.register_error_handler(unavailable, _unavailable)

    @app.errorhandler(Exception)
    def _bug(error: Exception) -> Response:
        log.exception("unhandled", extra={"error": type(error).__name__, "request_id": g.get("request_id")})
        return response(Problem(500, "internal", "the request was not carried out; the log has the reason"))
