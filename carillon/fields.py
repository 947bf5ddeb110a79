"""The types of the fields of requests, each with its limits; the HTTP API, the client and the outbox share them."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from carillon.levels import LEVELS, level_of
from carillon.payload import MAX_DATA_BYTES, MAX_EVENT_BYTES, MAX_NUMBER, payload_error

# A title becomes a header of a mail, which every character that ends a line would end.
_NOT_IN_LINE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# "\t", "\n" and "\r" have a meaning in a message. No other control character has one on a screen.
_NOT_IN_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

# RFC 5321 §4.5.3.1, in octets. It limits a path to 256, including two angle brackets.
MAX_LOCAL_PART = 64
MAX_ADDRESS = 254
# Control characters, and those that change the direction of writing: they show "gpj.exe" as "exe.jpg".
_NOT_IN_FILE_NAME = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# As much as fits into a button on one line of a phone.
MAX_LABEL = 40

_LAST_LABEL = re.compile("(?<=[@.。．｡])[^@.。．｡]+$")


class Strict(BaseModel):
    """A request body. Unknown members are errors, and so are values of another type, such as "1" for 1."""

    model_config = ConfigDict(extra="forbid", strict=True)


def without_nulls(given: Any) -> Any:
    """Take a member that is null for one that is not given, as callers in every language mean it."""
    return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given


def _one_line(value: str) -> str:
    if _NOT_IN_LINE.search(value):
        raise PydanticCustomError("control_character", "must be one line without control characters")
    return value


def _text(value: str) -> str:
    if _NOT_IN_TEXT.search(value):
        raise PydanticCustomError("control_character", "must not contain control characters but tab and line break")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return value


def _printable(value: str) -> str:
    # U+FFFD replaces the undecodable bytes of a URL: two different ids would become the same one.
    if not value.isprintable() or "\ufffd" in value:
        raise PydanticCustomError("not_printable", "must consist of printable characters")
    return value


def _file_name(value: str) -> str:
    if _NOT_IN_FILE_NAME.search(value):
        raise PydanticCustomError("control_character", "must be one line without control characters")
    if not value.strip(". ") or "/" in value or "\\" in value:
        raise PydanticCustomError("file_name", "must be the name of a file, without folders")
    return value


def _email(value: str) -> str:
    public, label = _without_intranet_label(value)
    try:
        # Whether the domain exists is found out by sending: intranets have domains that public DNS does not know.
        result = validate_email(
            public, strict=True, check_deliverability=False, globally_deliverable=False, test_environment=True
        ).normalized
    except EmailNotValidError as error:
        raise PydanticCustomError("email", "{reason}", {"reason": str(error)}) from error
    # email-validator counts characters.
    if len(result.rpartition("@")[0].encode()) > MAX_LOCAL_PART:
        raise PydanticCustomError("email", "is too long before the @-sign: at most 64 bytes as UTF-8")
    return result[: len(result) - len(label)] + label


def _without_intranet_label(address: str) -> tuple[str, str]:
    """Replace a top-level label `local` or `localhost` by another one of the same length, and return the label.

    email-validator refuses both, and offers no option but to change a list that is global to the process. The
    replacement has the same length and script, so every other check has the same result. `test` has an option.
    """
    found = _LAST_LABEL.search(address)
    label = unicodedata.normalize("NFKC", found.group()).casefold() if found else ""
    if found is None or label not in ("local", "localhost"):
        return address, ""
    return address[: found.start()] + "x" * len(label), label


def _web_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username
    except ValueError:
        usable = False
    # Browsers strip or replace these, which could turn a harmless address into another one.
    if not usable or not value.isprintable() or " " in value or "\\" in value:
        raise PydanticCustomError("url", "must be an http or https URL with a host and without a user name")
    return value


def _data(value: dict[str, Any]) -> dict[str, Any]:
    error = payload_error(value, MAX_DATA_BYTES)
    if error:
        raise PydanticCustomError("data", "{error}", {"error": error})
    return value


def _event_data(value: dict[str, Any]) -> dict[str, Any]:
    error = payload_error(value, MAX_EVENT_BYTES)
    if error:
        raise PydanticCustomError("payload", "{error}", {"error": error})
    return value


_CHANNEL = re.compile("[a-z][a-z0-9_]{0,15}")


def _known_channel(value: str, info: ValidationInfo) -> str:
    known = info.context.get("channels") if info.context else None
    if known is not None and value not in known:
        raise PydanticCustomError("unknown_channel", "must be one of {known}", {"known": ", ".join(known)})
    if known is None and not _CHANNEL.fullmatch(value):
        raise PydanticCustomError("channel", "must be the name of a channel, such as in_app")
    return value


def _no_duplicates(value: list[str]) -> list[str]:
    if len(set(value)) < len(value):
        raise PydanticCustomError("not_unique", "must not name a channel twice")
    return value


def _known_severity(value: str) -> str:
    if level_of(value) is None:
        raise PydanticCustomError("severity", "must be one of {known}", {"known": ", ".join(LEVELS)})
    return value


def addressable(value: str) -> str:
    """Refuse an id that no URL can name: clients take these two for steps in the path, however they are encoded."""
    if value in (".", ".."):
        raise PydanticCustomError("id", "must not be . or .., which a URL cannot name")
    return value


def matching(pattern: str, words: str, **described: Any) -> Any:
    """A text that matches a regular expression as a whole. `words` are the error for any other text."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise PydanticCustomError("string_pattern_mismatch", "{words}", {"words": words})
        return value

    schema = {"type": "string", "pattern": f"^{pattern}$", **described}
    return Annotated[str, AfterValidator(check), WithJsonSchema(schema)]


def _name(max_length: int, meaning: str) -> Any:
    words = f"must be 1 to {max_length} letters, digits and _ . : -"
    named = matching(rf"[A-Za-z0-9_.:\-]{{1,{max_length}}}", words, description=meaning)
    return Annotated[named, AfterValidator(addressable)]


Title = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line), AfterValidator(_not_blank)]
ActionLabel = Annotated[
    str, Field(min_length=1, max_length=MAX_LABEL), AfterValidator(_one_line), AfterValidator(_not_blank)
]
Text = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_text)]
FileName = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_file_name)]
MediaType = matching(
    r"[a-z0-9][a-z0-9!#$&^_.+\-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+\-]{0,62}",
    "must be a media type in lower case without parameters, such as image/png",
    description="A media type without parameters, such as image/png.",
)
Sha256 = matching(
    r"[0-9a-f]{64}", "must be 64 hexadecimal digits in lower case", description="SHA-256 in hexadecimal digits."
)
Data = Annotated[dict[str, Any], AfterValidator(_data)]
EventData = Annotated[dict[str, Any], AfterValidator(_event_data)]
UserId = Annotated[
    str,
    Field(min_length=1, max_length=128, description="The caller's own id of the user; opaque. Not `.` or `..`."),
    AfterValidator(_printable),
    AfterValidator(addressable),
]


def _no_resource(value: str) -> str:
    # GET /v1/conversations/search is a search.
    if value in ("search", "unread"):
        raise PydanticCustomError("reserved", "must not be search or unread")
    return value


ConversationId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        description="The id of a conversation; opaque. Not `.`, `..`, `search` or `unread`.",
    ),
    AfterValidator(_printable),
    AfterValidator(addressable),
    AfterValidator(_no_resource),
]
TempId = Annotated[
    str,
    Field(min_length=1, max_length=128, description="The sender's own id of a message."),
    AfterValidator(_printable),
]
# Characters of a chat message. A longer text is a file.
MAX_CONTENT = 8_000
Content = Annotated[str, Field(max_length=MAX_CONTENT), AfterValidator(_text)]
Email = Annotated[
    str,
    Field(min_length=3, max_length=MAX_ADDRESS),
    AfterValidator(_email),
    WithJsonSchema({"type": "string", "maxLength": MAX_ADDRESS}),
]
Locale = matching(
    r"(?=.{2,35}$)[A-Za-z]{2,8}([_\-][A-Za-z0-9]{1,8})*",
    "must be a language tag (BCP 47) of at most 35 characters, such as de-AT",
    description="BCP 47, such as de-AT.",
)
WebUrl = Annotated[str, Field(max_length=2048), AfterValidator(_web_url)]
TenantId = _name(64, "The id of a tenant.")
Topic = _name(128, "The name of a topic.")
TypeName = _name(64, "A name of the caller's catalogue.")
Key = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
Reference = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
IdempotencyKey = matching(r"[\x21-\x7e]{1,255}", "must be 1 to 255 printable ASCII characters, without spaces")
RegistrationToken = matching(r"[\x21-\x7e]{1,1024}", "must be 1 to 1024 printable ASCII characters, without spaces")
InstallationId = matching(r"[A-Za-z0-9_\-]{1,64}", "must be 1 to 64 letters, digits and _ -")
AttachmentId = matching(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", "must be a UUID", description="The id of an attachment."
)
# Which channels there are is the server's to say: a newer one may have more. The server passes their names as the
# validation context {"channels": names}.
ChannelName = Annotated[
    str,
    AfterValidator(_known_channel),
    WithJsonSchema({"type": "string", "pattern": "^[a-z][a-z0-9_]{0,15}$", "description": "The name of a channel."}),
]
Channels = Annotated[list[ChannelName], Field(min_length=1), AfterValidator(_no_duplicates)]
NotificationId = matching(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "must be a UUID",
    description="The id that the acceptance answered with: a UUID.",
)
# A level, or a severity of another scale that means one.
Severity = Annotated[str, AfterValidator(_known_severity), WithJsonSchema({"type": "string", "enum": [*LEVELS]})]
# The id that a service has for what it sends. Clients of earlier systems compare it, so a number stays a number.
# Strict, because true is 1 to Python.
OwnId = Reference | Annotated[int, Field(strict=True, ge=-MAX_NUMBER, le=MAX_NUMBER)]
Priority = Literal["critical", "high", "normal", "low", "bulk"]
