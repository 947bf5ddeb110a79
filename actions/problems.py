"""What a caller did wrong, as a problem (RFC 9457). Every door shows it in its own way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from carillon.problems import FieldError, ProblemDocument, field_errors, summary

TITLES = {
    "validation": "The request is not valid",
    "malformed_json": "The body is not JSON",
    "token_missing": "A token is required",
    "token_expired": "The token has expired",
    "invalid_token": "The token is not valid",
    "forbidden": "The token does not allow this",
    "idempotency_key_reused": "The Idempotency-Key was used for another request",
    "rate_limited": "Too many requests",
    "database_unavailable": "The database is unavailable",
    "internal": "Internal error",
}


class Problem(Exception):
    """The request is refused. `status` is an HTTP status, `code` is stable and for programs, `detail` for people.

    `members` are further members of the document, for clients that know this problem.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.members = dict(members or {})

    def document(self, instance: str | None = None, request_id: str | None = None) -> ProblemDocument:
        """The problem document. `instance` and `request_id` identify the request, if there is one."""
        return ProblemDocument(
            type=f"urn:carillon:problem:{self.code}",
            title=TITLES.get(self.code, self.code.replace("_", " ").capitalize()),
            status=self.status,
            code=self.code,
            detail=self.detail,
            # Relative to the server that answers.
            doc_url=f"/docs/guides/errors#{self.code}",
            errors=self.errors or None,
            instance=instance,
            request_id=request_id,
            **self.members,
        )


def invalid(field: str, code: str, message: str) -> Problem:
    """422: one field is wrong."""
    return Problem(
        422, "validation", f"{field}: {message}", errors=[FieldError(field=field, code=code, message=message)]
    )


def not_found(what: str) -> Problem:
    """404: it does not exist or belongs to another tenant; the answer does not say which."""
    return Problem(404, "not_found", f"there is no such {what}")


def idempotency_key_reused() -> Problem:
    """422: the key belongs to another request."""
    detail = "this Idempotency-Key was used with another body: send the same body, or another key"
    return Problem(422, "idempotency_key_reused", detail)


def id_in_use() -> Problem:
    """409: the id that a service chose is that of something else."""
    return Problem(409, "id_in_use", "the id is in use: leave it out, or make a new UUIDv7")


def from_validation(error: ValidationError, model: type[BaseModel] | None = None) -> Problem:
    """422: the problem that names every field of a pydantic error."""
    errors = field_errors(error, model)
    return Problem(422, "validation", summary(errors, error.error_count()), errors=errors)
