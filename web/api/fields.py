"""Field types of responses and queries. Those of request bodies are in the package (carillon/fields.py)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from actions.problems import invalid, not_found
from carillon.fields import IdempotencyKey, UserId
from models.channels import CHANNELS
from models.deliveries.lifecycle import Failure, State
from models.ids import as_uuid
from models.timestamps import iso

_STRUCTURED = re.compile(r'"(?:[^"\\]|\\["\\])*"')

PAGE = 50
MAX_PAGE = 200


class Query(BaseModel):
    """Query parameters. Texts are converted to numbers, and unknown parameters are refused."""

    model_config = ConfigDict(extra="forbid")


class View(BaseModel):
    """A response. Members with a default are there too, so /openapi.json says that they are required."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)


def _known_channel(value: str) -> str:
    if value not in CHANNELS:
        raise PydanticCustomError("unknown_channel", "must be one of {known}", {"known": ", ".join(CHANNELS)})
    return value


ChannelName = Annotated[str, AfterValidator(_known_channel), WithJsonSchema({"type": "string", "enum": [*CHANNELS]})]
# In a response: UTC, as JavaScript writes it.
Moment = Annotated[
    datetime, PlainSerializer(iso, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]
StateName = Annotated[State, WithJsonSchema({"type": "string", "enum": [s.value for s in State]})]
FailureName = Annotated[Failure, WithJsonSchema({"type": "string", "enum": [f.value for f in Failure]})]

Limit = Annotated[int, Field(ge=1, le=MAX_PAGE)]
RowId = Annotated[int, Field(ge=1, lt=2**63)]


class Page(View):
    """Where the next page begins. While `has_more` is true, request it with `after` set to `next`."""

    next: str | None
    has_more: bool


class NotificationPath(BaseModel):
    """Names a notification."""

    notification: str = Field(
        description="The `id` in the answer to `POST /v1/notifications`. In an inbox, the `notification_id` that the "
        "service gave it is taken too."
    )

    def uuid(self) -> UUID:
        """Return the id. Raises Problem (404) for a text that is not an id."""
        found = as_uuid(self.notification)
        if found is None:
            raise not_found("notification")
        return found


class UserPath(BaseModel):
    """Names a user."""

    user: UserId


def _unquoted(value: str) -> str:
    """Take a string of Structured Fields (RFC 9651 §3.3.3), as the draft on this header has it, for what it means."""
    return re.sub(r"\\([\"\\])", r"\1", value[1:-1]) if _STRUCTURED.fullmatch(value) else value


class KeyHeader(BaseModel):
    """Makes a request safe to repeat: within retention, one key sends one notification."""

    model_config = ConfigDict(extra="ignore")

    idempotency_key: Annotated[IdempotencyKey, BeforeValidator(_unquoted)] | None = Field(None, alias="Idempotency-Key")


class Deleted(View):
    """The result of a deletion."""

    deleted: Literal[True] = True


def after_id(text: str | None) -> UUID | None:
    """Return the id after which a page begins. Raises Problem (422) for a text that no page has as its `next`."""
    if text is None:
        return None
    found = as_uuid(text)
    if found is None:
        raise invalid("after", "cursor", "is not the `next` of a page")
    return found


def page_of(rows: list[Any] | Any, limit: int) -> tuple[Any, Page]:
    """Split a list that was read one row longer than the page into the page's rows and where the next page begins."""
    shown = rows[:limit]
    more = len(rows) > limit
    return shown, Page(next=str(shown[-1].id) if more else None, has_more=more)
