"""Validation of requests before they leave the process: models or plain fields in, JSON documents out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeVar

import pydantic
from pydantic import TypeAdapter

from carillon.problems import FieldError, ValidationError
from carillon.requests import Bulk, BulkItem, Notification, Request

Model = TypeVar("Model", bound=Request)


def validated(model: type[Model], given: Model | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON document of a request that is given as a model or by its fields.

    Raises ValidationError for fields that are not valid, TypeError if both or neither are given.
    """
    if (given is None) == (not fields):
        raise TypeError(f"give either one {model.__name__} or its fields")
    if given is not None:
        return given.document()
    try:
        return model.model_validate(dict(fields)).document()
    except pydantic.ValidationError as error:
        raise ValidationError.of(error, model) from None


def validated_items(items: Iterable[Notification | Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the JSON documents of the items of a bulk request. Raises ValidationError, which names their positions."""
    documents: list[dict[str, Any]] = []
    errors: list[FieldError] = []
    for number, item in enumerate(items):
        try:
            fields = {} if isinstance(item, Notification) else item
            documents.append(validated(BulkItem, item if isinstance(item, Notification) else None, fields))
        except ValidationError as error:
            errors += [e.model_copy(update={"field": f"items.{number}.{e.field}"}) for e in error.errors]
    if errors:
        raise ValidationError(errors)
    try:
        Bulk(items=documents)
    except pydantic.ValidationError as error:
        raise ValidationError.of(error) from None
    return documents


def checked(name: str, type_: Any, value: Any) -> Any:
    """Return the value of one parameter. Raises ValidationError if it is not valid."""
    try:
        return _adapter(type_).validate_python(value, strict=True)
    except pydantic.ValidationError as error:
        errors = ValidationError.of(error).errors
        raise ValidationError([e.model_copy(update={"field": name}) for e in errors]) from None


@cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    # Takes a quarter of a millisecond to make.
    return TypeAdapter(type_)
