"""Read a request document with the package's model, as every door does."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from actions.problems import from_validation
from models.channels import CHANNELS

Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], document: object) -> Model:
    """The document as an instance of `model`. Raises Problem (422) that names every wrong field."""
    try:
        # The package itself does not know which channels a server has.
        return model.model_validate(document, context={"channels": tuple(CHANNELS)})
    except ValidationError as error:
        raise from_validation(error, model) from error
