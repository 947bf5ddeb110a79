"""One type of events: declared by us, by the operator's file, or by a tenant."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.lanes import Lane

# `domain:action`, such as order:created or chat:message:read.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]*(?::[A-Za-z0-9][A-Za-z0-9_.\-]*)+")
MAX_NAME = 64

# Domains whose events have a meaning to Carillon itself. Types in them cannot be declared.
RESERVED_DOMAINS = frozenset({"alert", "auth", "chat", "event", "notification", "presence", "session"})

# An event that is not kept for replay stays in the log for this long (seconds): a short outage of Redis only delays it.
UNKEPT = 30

# The width of the column that keeps a key.
_MAX_KEY = 128

Room = Literal["user", "tenant", "conversation"]
Path = Annotated[str, Field(min_length=1, max_length=128)]


class Coalescing(BaseModel):
    """Debounce: events of the type that agree in the members at `key` replace one another for `window_ms`.

    Only the last is published. The window begins with the first, so a stream that never pauses is published once a
    window.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_ms: int = Field(ge=10, le=60_000, description="Milliseconds.")
    key: Annotated[list[Path], Field(max_length=8)] = Field(
        [], description="Paths into the payload, such as pond_id or order.id. None: all events of the type are one."
    )


class Declaration(BaseModel):
    """The declaration of a type."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(min_length=1, max_length=200)
    description: str | None = Field(None, max_length=2000)
    payload: dict[str, Any] = Field(
        default_factory=dict,
        description="JSON Schema (2020-12) of the payload, which is always an object. References within it only.",
    )
    rooms: Annotated[list[Room], Field(min_length=1, max_length=3)] = Field(
        ["user", "tenant"], description="Where its events may go: to single users, to the whole tenant."
    )
    priority: Literal["critical", "high", "normal", "low", "bulk"] = Field(
        "normal", description="The lane in which its events wait to be published: critical before bulk."
    )
    replay: bool = Field(True, description="Whether a client that was away receives it later.")
    ttl: int = Field(3600, ge=1, le=30 * 86400, description="Seconds after which clients no longer receive it.")
    coalesce: Coalescing | None = None


class EventType(Declaration):
    """A type of the catalogue.

    `reserved`: services cannot publish it. `emitted_by`: "client" for what clients send on the socket, "nobody" for a
    name that is reserved only.
    """

    name: str = Field(max_length=MAX_NAME)
    emitted_by: Literal["server", "client", "nobody"] = "server"
    reserved: bool = False

    @property
    def lane(self) -> Lane:
        """The lane of its events."""
        return Lane[self.priority]

    def expires_at(self, published_at: datetime) -> datetime:
        """When an event that is published at this moment expires."""
        return published_at + timedelta(seconds=self.ttl if self.replay else min(self.ttl, UNKEPT))

    def window_ends(self, now: datetime) -> datetime:
        """The end of a window that begins now."""
        return now + timedelta(milliseconds=self.coalesce.window_ms if self.coalesce else 0)

    def key_of(self, data: Mapping[str, Any]) -> str:
        """What events that replace one another have in common."""
        return bounded_key([_at(data, path) for path in self.coalesce.key] if self.coalesce else [])


def bounded_key(value: Any) -> str:
    """A value as a key: itself as JSON, or its SHA-256 where that is too long."""
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return plain if len(plain) <= _MAX_KEY else hashlib.sha256(plain.encode()).hexdigest()


def _at(data: Any, path: str) -> Any:
    for name in path.split("."):
        data = data.get(name) if isinstance(data, dict) else None
    return data
