"""Errors: the problem document of the HTTP API (RFC 9457), and the exceptions of the client and the outbox."""

from __future__ import annotations

from collections.abc import Sequence

import pydantic
from pydantic import BaseModel, ConfigDict, Field

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


def field_errors(error: pydantic.ValidationError) -> list[FieldError]:
    """Return what pydantic found, as the API words it; at most 50."""
    return [
        FieldError(field=".".join(map(str, e["loc"])) or "body", code=e["type"], message=e["msg"])
        for e in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]
    ]


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
    def of(cls, error: pydantic.ValidationError) -> ValidationError:
        """Return the same error without the values that were given: they may be confidential."""
        return cls(field_errors(error), error.error_count())
