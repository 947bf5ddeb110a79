"""Every error as a problem document (RFC 9457), whoever raised it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

from flask import Flask, Response, g, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from werkzeug.exceptions import HTTPException

from models.sql.engine import UNAVAILABLE
from web.auth import AuthError

log = logging.getLogger(__name__)

# A thousand bad items need not be listed to be found.
_MOST_ERRORS = 50


class FieldError(BaseModel):
    """What is wrong with one field of the request."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(description="Where: names and positions joined by dots, such as audience.users.3.email.")
    code: str = Field(description="For programs; stable.")
    message: str = Field(description="For people.")


def absent(value: object) -> bool:
    """For members that are left out where there is nothing to say."""
    return value is None


class ProblemDocument(BaseModel):
    """RFC 9457. `code` is for programs and stable; `detail` is for people."""

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str | None = Field(None, exclude_if=absent)
    request_id: str | None = Field(None, exclude_if=absent)
    errors: list[FieldError] | None = Field(None, exclude_if=absent)


class Problem(Exception):
    """An answer other than success. Raise it from anywhere inside a request."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})

    def document(self, **members: str | None) -> ProblemDocument:
        """The document; `members` are those that belong to this occurrence."""
        return ProblemDocument(
            type=f"urn:carillon:problem:{self.code}",
            title=TITLES.get(self.code, self.code.replace("_", " ").capitalize()),
            status=self.status,
            code=self.code,
            detail=self.detail,
            errors=self.errors or None,
            instance=members.get("instance"),
            request_id=members.get("request_id"),
        )

    def response(self) -> Response:
        """The answer to the present request."""
        document = self.document(instance=request.path, request_id=g.get("request_id"))
        # ASCII: a lone surrogate in a field's name must not break the answer that complains about it.
        return Response(
            json.dumps(document.model_dump()), self.status, self.headers, mimetype="application/problem+json"
        )


TITLES = {
    "validation": "The request is not valid",
    "malformed_json": "The body is not JSON",
    "token_missing": "A token is required",
    "token_expired": "The token has expired",
    "invalid_token": "The token is not valid",
    "forbidden": "The token does not allow this",
    "idempotency_key_reused": "The Idempotency-Key was used for another request",
    "rate_limited": "Too many requests",
    "database_unavailable": "The database is away",
    "internal": "An error of ours",
}


def invalid(field: str, code: str, message: str) -> Problem:
    """One field is wrong."""
    return Problem(
        422, "validation", f"{field}: {message}", errors=[FieldError(field=field, code=code, message=message)]
    )


def from_validation(error: ValidationError) -> Problem:
    """The problem that names every field pydantic complains about."""
    errors = [
        FieldError(field=".".join(map(str, e["loc"])) or "body", code=e["type"], message=e["msg"])
        for e in error.errors(include_url=False, include_context=False, include_input=False)[:_MOST_ERRORS]
    ]
    first = errors[0]
    others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return Problem(422, "validation", f"{first.field}: {first.message}{others}", errors=errors)


def not_found(what: str) -> Problem:
    """There is none, or it is somebody else's: the answer does not tell which."""
    return Problem(404, "not_found", f"there is no such {what}")


def from_auth(error: AuthError) -> Problem:
    """401 where another token would do, 403 where this one is of the wrong kind."""
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
        return error.response()

    @app.errorhandler(AuthError)
    def _auth(error: AuthError) -> Response:
        return from_auth(error).response()

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        # A redirect is no error.
        if error.code is not None and error.code < 400:
            return error.get_response()  # type: ignore[return-value]
        return _from_http(error).response()

    def _unavailable(error: Exception) -> Response:
        log.warning("database away", extra={"error": type(error).__name__, "request_id": g.get("request_id")})
        detail = "nothing was changed; try again"
        return Problem(503, "database_unavailable", detail, headers={"Retry-After": "1"}).response()

    for unavailable in UNAVAILABLE:
        app.register_error_handler(unavailable, _unavailable)

    @app.errorhandler(Exception)
    def _bug(error: Exception) -> Response:
        log.exception("unhandled", extra={"error": type(error).__name__, "request_id": g.get("request_id")})
        return Problem(500, "internal", "the request was not carried out; the log has the reason").response()
