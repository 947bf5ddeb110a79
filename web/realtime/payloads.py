"""The payloads that clients send, field by field."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from carillon.fields import OwnId
from web.realtime.limits import MAX_IDS

Code = Literal[
    "bad_request",
    "forbidden",
    "internal",
    "invalid_token",
    "not_found",
    "rate_limited",
    "token_expired",
    "token_missing",
    "too_many_connections",
    "unavailable",
    "unknown_event",
]


class Refused(Exception):
    """A request of a client is refused. `code` is for programs, the message for people."""

    def __init__(self, code: Code | str, message: str) -> None:
        super().__init__(message)
        self.code = code


# StrictInt: true is 1 to Python.
Seq = Annotated[StrictInt, Field(ge=0, lt=2**63)]
Token = Annotated[StrictStr, Field(min_length=1, max_length=8192)]
CursorText = Annotated[StrictStr, Field(max_length=32_768)]
Positions = Annotated[dict[StrictStr, Seq], Field(max_length=1000)]


class Handshake(BaseModel):
    """`auth` of the Socket.IO handshake. Clients may add fields of their own."""

    model_config = ConfigDict(extra="ignore")

    token: StrictStr | None = None
    dialect: Annotated[StrictStr, Field(max_length=64)] | None = None
    cursor: CursorText | None = None
    positions: Positions = {}
    last_seq: Seq | None = None
    epoch: Annotated[StrictStr, Field(max_length=64)] = ""


class Acknowledge(BaseModel):
    """`notification:ack`"""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[list[OwnId], Field(max_length=MAX_IDS, strict=True)] = []
    seq: Annotated[StrictInt, Field(ge=1, lt=2**63)] | None = None


class Sync(BaseModel):
    """`sync`"""

    model_config = ConfigDict(extra="forbid")

    cursor: CursorText | None = None
    positions: Positions = {}


class Refresh(BaseModel):
    """`auth:refresh`"""

    model_config = ConfigDict(extra="forbid")

    token: Token


_Model = TypeVar("_Model", bound=BaseModel)


def parse(model: type[_Model], payload: Any) -> _Model:
    """Validate a payload; None stands for an empty object. Raises Refused."""
    if payload is None:
        payload = {}
    if not isinstance(payload, dict):
        raise Refused("bad_request", "the payload is not an object")
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Refused("bad_request", f"{where}: {first['msg']}" if where else first["msg"]) from error
