"""What may be asked of POST /v1/notifications, and its translation into the ledger's words."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from config.settings import Settings
from models.notifications.accept import NewNotification
from web.api.fields import (
    ChannelName,
    Data,
    Email,
    IdempotencyKey,
    Key,
    Level,
    Locale,
    Priority,
    Reference,
    Strict,
    Text,
    Title,
    Topic,
    TypeName,
    UserId,
    WebUrl,
)
from web.auth import Principal
from web.problems import invalid

RECIPIENTS = 1000
# Less than a minute would expire while a retry waits; the default is a week, as long as anybody wants to hear of it.
SHORTEST = 60
USUAL = 7 * 86400


class Recipient(Strict):
    """A user, created if there is none yet. An e-mail address or locale given here replaces the one on record."""

    id: UserId
    email: Email | None = None
    locale: Locale | None = None


def _as_object(value: object) -> object:
    return {"id": value} if isinstance(value, str) else value


class Audience(Strict):
    """Whom to notify: exactly one of users, topic and tenant."""

    users: Annotated[
        list[Annotated[Recipient, BeforeValidator(_as_object, json_schema_input_type=str | Recipient)]] | None,
        Field(min_length=1, max_length=RECIPIENTS),
    ] = None
    topic: Topic | None = None
    tenant: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(kind is not None for kind in (self.users, self.topic, self.tenant)) != 1:
            raise PydanticCustomError("audience", "must have exactly one of users, topic and tenant")
        return self


def _different(value: list[str]) -> list[str]:
    if len(set(value)) < len(value):
        raise PydanticCustomError("not_unique", "must not name a channel twice")
    return value


class Submission(Strict):
    """One notification to send."""

    audience: Audience
    title: Title
    message: Text
    data: Data = Field({}, description="Whatever the client needs to know. At most 3 KiB, 16 levels.")
    level: Level = "info"
    severity: Level | None = Field(None, description="Another name of level.")
    priority: Priority = Field("normal", description="The lane it travels in: critical before bulk.")
    category: TypeName | None = Field(None, description="What users choose their preferences by.")
    type: TypeName = "notification"
    channels: Annotated[
        list[ChannelName] | None, Field(min_length=1), AfterValidator(lambda v: v if v is None else _different(v))
    ] = Field(None, description="In-app and every other channel on which the user has an address, if not given.")
    expires_in: int | None = Field(
        None, ge=SHORTEST, description="Seconds; seven days if not given, at most the server's retention."
    )
    collapse_key: Key | None = Field(None, description="A later notification with this key replaces it on the device.")
    reference: Reference | None = Field(None, description="The caller's own name for it; need not be unique.")
    url: WebUrl | None = Field(None, description="Where a click leads.")

    @model_validator(mode="after")
    def _one_level(self) -> Self:
        if self.severity is None:
            return self
        if "level" in self.model_fields_set and self.level != self.severity:
            raise PydanticCustomError("severity", "level and severity differ: give one of them")
        self.level, self.severity = self.severity, None
        return self

    def sha256(self) -> str:
        """Equal for requests that mean the same, whatever their spelling and the order of their members.

        Members left at their default do not count, so that a member added later does not turn a repeated request into
        another one.
        """
        said = self.model_dump(mode="json", exclude_defaults=True, exclude={"idempotency_key"})
        plain = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(plain.encode()).hexdigest()

    def notification(
        self, caller: Principal, settings: Settings, now: datetime, idempotency_key: str | None
    ) -> NewNotification:
        """In the ledger's words. Raises Problem where it asks for more than the settings allow."""
        longest = settings.retention_days * 86400
        if self.expires_in is not None and self.expires_in > longest:
            raise invalid("expires_in", "less_than_equal", f"must not exceed {longest}: nothing is kept for longer")
        return NewNotification(
            tenant_id=caller.tenant,
            mode=caller.mode,
            audience=self.audience.model_dump(mode="json", exclude_none=True),
            title=self.title,
            message=self.message,
            expires_at=now + timedelta(seconds=self.expires_in or min(USUAL, longest)),
            body_sha256=self.sha256(),
            data=self.data,
            level=self.level,
            priority=self.priority,
            type=self.type,
            category=self.category,
            channels=list(self.channels) if self.channels is not None else None,
            collapse_key=self.collapse_key,
            reference=self.reference,
            url=self.url,
            idempotency_key=idempotency_key,
        )


class BulkItem(Submission):
    """One notification of several."""

    idempotency_key: IdempotencyKey | None = Field(None, description="As the header; counts before it.")


# Each item is judged on its own, later: one bad item must not spoil the others.
_Item = Annotated[Any, PlainValidator(lambda item: item, json_schema_input_type=BulkItem)]


class Bulk(Strict):
    """Several notifications, each accepted or refused on its own."""

    items: Annotated[list[_Item], Field(min_length=1, max_length=100)]
