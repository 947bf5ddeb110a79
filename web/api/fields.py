"""The types that requests and answers are made of, each with its bounds, declared once."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from models.channels import CHANNELS
from models.deliveries.lifecycle import Failure, State
from models.timestamps import iso
from web.api.body import check_data
from web.problems import not_found

# "\t", "\n" and "\r" have a meaning in a message; no other control character has one on a screen.
_CONTROL_IN_LINES = re.compile("[\x00-\x1f\x7f]")
_CONTROL_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
UUID_FORM = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

# Mail for these stays on an intranet or in the lab: both are ours to send. What remains can have no mailbox.
for _ours in ("local", "localhost", "test"):
    SPECIAL_USE_DOMAIN_NAMES.remove(_ours)

DATA_BYTES = 3 * 1024
DATA_DEPTH = 16
PAGE = 50
LONGEST_PAGE = 200


class Strict(BaseModel):
    """A body: no unknown fields, no numbers in quotes."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Query(BaseModel):
    """Parameters of a URL: texts that may have to become numbers, and none that is unknown."""

    model_config = ConfigDict(extra="forbid")


class View(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid")


def _one_line(value: str) -> str:
    if _CONTROL_IN_LINES.search(value):
        raise PydanticCustomError("control_character", "must not contain control characters")
    return value


def _text(value: str) -> str:
    if _CONTROL_IN_TEXT.search(value):
        raise PydanticCustomError("control_character", "must not contain control characters but tab and line break")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return value


def _printable(value: str) -> str:
    # U+FFFD is what undecodable bytes of a URL become: two different ids would look like one.
    if not value.isprintable() or "\ufffd" in value:
        raise PydanticCustomError("not_printable", "must consist of printable characters")
    return value


def _email(value: str) -> str:
    try:
        # Whether the domain exists is found out by sending; intranets have domains that the world does not know.
        return validate_email(value, check_deliverability=False, globally_deliverable=False).normalized
    except EmailNotValidError as error:
        raise PydanticCustomError("email", "{reason}", {"reason": str(error)}) from error


def _web_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username
    except ValueError:
        usable = False
    # What a browser strips or turns must not be there to turn a harmless address into another one.
    if not usable or not value.isprintable() or " " in value or "\\" in value:
        raise PydanticCustomError("url", "must be an http or https URL with a host and without a user name")
    return value


def _data(value: dict[str, Any]) -> dict[str, Any]:
    wrong = check_data(value, DATA_BYTES, DATA_DEPTH)
    if wrong:
        raise PydanticCustomError("data", "{wrong}", {"wrong": wrong})
    return value


def _known_channel(value: str) -> str:
    if value not in CHANNELS:
        raise PydanticCustomError("unknown_channel", "must be one of {known}", {"known": ", ".join(CHANNELS)})
    return value


def _name(longest: int, meaning: str) -> Any:
    return Annotated[str, Field(pattern=rf"^[A-Za-z0-9_.:\-]{{1,{longest}}}$", description=meaning)]


Title = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line), AfterValidator(_not_blank)]
Text = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_text)]
Data = Annotated[dict[str, Any], AfterValidator(_data)]
UserId = Annotated[
    str,
    Field(min_length=1, max_length=128, description="The caller's own id of the user; opaque."),
    AfterValidator(_printable),
]
Email = Annotated[
    str,
    Field(min_length=3, max_length=254),
    AfterValidator(_email),
    WithJsonSchema({"type": "string", "maxLength": 254}),
]
Locale = Annotated[
    str,
    Field(pattern=r"^[A-Za-z]{2,8}([_\-][A-Za-z0-9]{1,8})*$", max_length=35, description="BCP 47, such as de-AT."),
]
WebUrl = Annotated[str, Field(max_length=2048), AfterValidator(_web_url)]
Topic = _name(128, "The name of a topic.")
TypeName = _name(64, "A name of the caller's catalogue.")
Key = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
Reference = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
IdempotencyKey = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,255}$")]
ChannelName = Annotated[str, AfterValidator(_known_channel), WithJsonSchema({"type": "string", "enum": [*CHANNELS]})]
Level = Literal["info", "success", "warning", "error", "critical"]
Priority = Literal["critical", "high", "normal", "low", "bulk"]

# In an answer: UTC, as JavaScript writes it.
Moment = Annotated[
    datetime, PlainSerializer(iso, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]
StateName = Annotated[State, WithJsonSchema({"type": "string", "enum": [s.value for s in State]})]
FailureName = Annotated[Failure, WithJsonSchema({"type": "string", "enum": [f.value for f in Failure]})]

Limit = Annotated[int, Field(ge=1, le=LONGEST_PAGE)]
RowId = Annotated[int, Field(ge=1, lt=2**63)]


class Page(View):
    """Where the next page begins. Ask again with after=next while has_more."""

    next: str | None
    has_more: bool


class NotificationPath(BaseModel):
    """Names a notification."""

    notification: str = Field(description="The id that the acceptance answered with.")

    def uuid(self) -> UUID:
        """The id. What is no id at all names no notification either: 404."""
        if not UUID_FORM.fullmatch(self.notification):
            raise not_found("notification")
        return UUID(self.notification)


class UserPath(BaseModel):
    """Names a user."""

    user: UserId
