"""Errors: the problem document of the HTTP API (RFC 9457), and the exceptions of the client and the outbox."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

import pydantic
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import ErrorDetails

# More would not help: the caller fixes the first ones and tries again.
MAX_ERRORS = 50


class FieldError(BaseModel):
    """What is wrong with one field of the request."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(description="Where: names and positions joined by dots, such as audience.users.3.email.")
    code: str = Field(description="For programs; stable.")
    message: str = Field(description="For people.")


def absent(value: object) -> bool:
    """Whether a member is left out of the answer: `exclude_if` of members that may be None."""
    return value is None


class ProblemDocument(BaseModel):
    """RFC 9457. `code` is for programs and stable; `detail` is for people. A problem can have members of its own."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str
    doc_url: str | None = Field(None, exclude_if=absent, description="The part of the documentation about this code.")
    instance: str | None = Field(None, exclude_if=absent)
    request_id: str | None = Field(None, exclude_if=absent)
    errors: list[FieldError] | None = Field(None, exclude_if=absent)


# What is wrong, in words, by pydantic's name of the error. The names in braces are pydantic's too.
_WORDS = {
    "missing": "is required",
    "extra_forbidden": "is unknown",
    "string_type": "must be a text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "datetime_type": "must be a time in ISO 8601",
    "datetime_parsing": "must be a time in ISO 8601",
    "datetime_from_date_parsing": "must be a time in ISO 8601",
    "timezone_aware": "must be a time with an offset, such as Z",
}


def field_errors(error: pydantic.ValidationError, model: type[BaseModel] | None = None) -> list[FieldError]:
    """Return what pydantic found, in words; at most 50. `model` is the one that was validated, if it was one."""
    return [
        FieldError(field=".".join(map(str, e["loc"])) or "body", code=e["type"], message=_in_words(e, model))
        for e in error.errors(include_url=False, include_input=False)[:MAX_ERRORS]
    ]


def _in_words(error: ErrorDetails, model: type[BaseModel] | None) -> str:
    words, context = _WORDS.get(error["type"]), error.get("ctx", {})
    if words is None:
        return error["msg"]
    if context.get("min_length") == 1:
        return "must not be empty"
    if error["type"] == "extra_forbidden" and model is not None:
        *path, name = error["loc"]
        near = get_close_matches(str(name), _members(model, path), n=1)
        return f"{words}: did you mean `{near[0]}`?" if near else words
    return words.format(**context)


def _members(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The names of the members at a place in the document."""
    models = [model]
    for name in path:
        # A position in a list leads to no other model.
        if isinstance(name, str):
            fields = [info for one in models for key, info in one.model_fields.items() if name in (key, info.alias)]
            models = [inner for info in fields for inner in _models(info.annotation)]
    return [info.alias or key for one in models for key, info in one.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def summary(errors: Sequence[FieldError], count: int) -> str:
    """Return one line about the first of `count` errors."""
    others = f" (and {count - 1} more)" if count > 1 else ""
    return f"{errors[0].field}: {errors[0].message}{others}"


class CarillonError(Exception):
    """The base of every error that this package raises on purpose."""


class ValidationError(CarillonError, ValueError):
    """The request is not valid, and was not sent. `errors` names every field that is wrong."""

    def __init__(self, errors: Sequence[FieldError], count: int | None = None) -> None:
        super().__init__(summary(errors, len(errors) if count is None else count))
        self.errors = list(errors)

    @classmethod
    def of(cls, error: pydantic.ValidationError, model: type[BaseModel] | None = None) -> ValidationError:
        """Return the same error without the values that were given: they may be confidential."""
        return cls(field_errors(error, model), error.error_count())


class ConnectionFailed(CarillonError):
    """The server could not be reached, or the connection broke. The request may have been carried out."""


class TimedOut(CarillonError):
    """The server did not answer in time. The request may have been carried out."""


class UnexpectedAnswer(CarillonError):
    """The answer is not one of Carillon's API: the URL may be that of another server."""


class ProblemError(CarillonError):
    """The server refused the request.

    `status` is that of HTTP; `code` is for programs; `detail` is for people; `errors` names the fields that are wrong.
    `document` is the whole problem document, None if the answer had none, such as that of a proxy. `request_id` finds
    the request in the server's log. `retry_after` is in seconds, None if the server did not say.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        document: ProblemDocument | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.document = document
        self.request_id = request_id
        self.retry_after = retry_after


class Invalid(ProblemError):
    """400, 413, 415, 422: the request is not valid, or its Idempotency-Key was used for another one."""


class Unauthorized(ProblemError):
    """401: the key is missing, wrong or expired."""


class Forbidden(ProblemError):
    """403: the key does not allow this."""


class NotFound(ProblemError):
    """404: there is none, or it belongs to another tenant."""


class Conflict(ProblemError):
    """409: the present state does not allow this."""


class RateLimited(ProblemError):
    """429: too many requests, even after the retries."""


class Unavailable(ProblemError):
    """502, 503, 504: the server, or what it depends on, is not available, even after the retries."""


_CLASSES: dict[int, type[ProblemError]] = {
    **dict.fromkeys((400, 413, 415, 422), Invalid),
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
    **dict.fromkeys((502, 503, 504), Unavailable),
}


def problem_error(
    status: int, body: bytes, *, request_id: str | None = None, retry_after: float | None = None
) -> ProblemError:
    """Return the exception for an answer that is no success. Any body will do."""
    document = _document(body)
    code, detail = (document.code, document.detail) if document else ("unexpected_status", "no problem document")
    return _CLASSES.get(status, ProblemError)(
        status,
        code,
        detail,
        errors=(document.errors or []) if document else [],
        document=document,
        request_id=(document.request_id if document else None) or request_id,
        retry_after=retry_after,
    )


def _document(body: bytes) -> ProblemDocument | None:
    try:
        # A newer server may add members.
        return ProblemDocument.model_validate_json(body, extra="ignore")
    except pydantic.ValidationError:
        return None
