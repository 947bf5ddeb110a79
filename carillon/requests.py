"""What can be asked of Carillon: the JSON documents of the HTTP API and of the outbox, validated in one place."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from carillon.fields import (
    ActionLabel,
    Channels,
    Data,
    Email,
    EventData,
    IdempotencyKey,
    Key,
    Locale,
    NotificationId,
    OwnId,
    Priority,
    Reference,
    Severity,
    Strict,
    Text,
    Title,
    Topic,
    TypeName,
    UserId,
    WebUrl,
    without_nulls,
)
from carillon.levels import LEVELS

MAX_RECIPIENTS = 1000
MAX_BULK_ITEMS = 100
# Seconds. Anything shorter would expire while a retry waits.
MIN_EXPIRES_IN = 60
DEFAULT_EXPIRES_IN = 7 * 86400


class Request(Strict):
    """A document that the HTTP API takes as a body, and the outbox as the body of a row."""

    def document(self) -> dict[str, Any]:
        """Return the JSON document, without the members that have their default value."""
        return self.model_dump(mode="json", exclude_defaults=True)

    def sha256(self) -> str:
        """Return a hash that is equal for requests with the same meaning, whatever their spelling and member order.

        Members that have their default value do not count, so that a member added in a later version does not turn a
        repeated request into a different one. Neither does the idempotency key itself.
        """
        document = self.model_dump(mode="json", exclude_defaults=True, exclude={"idempotency_key"})
        plain = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(plain.encode()).hexdigest()


class Recipient(Strict):
    """A user, created if there is none yet. An e-mail address or locale given here replaces the one on record.

    A user who is named more than once is one recipient. Of each member, the last value that is given counts.
    """

    id: UserId
    email: Email | None = None
    locale: Locale | None = None


def _as_object(value: object) -> object:
    return {"id": value} if isinstance(value, str) else value


class Audience(Strict):
    """Who receives a notification: exactly one of users, topic and tenant."""

    users: Annotated[
        list[Annotated[Recipient, BeforeValidator(_as_object, json_schema_input_type=str | Recipient)]] | None,
        Field(min_length=1, max_length=MAX_RECIPIENTS),
    ] = None
    topic: Topic | None = None
    tenant: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(kind is not None for kind in (self.users, self.topic, self.tenant)) != 1:
            raise PydanticCustomError("audience", "must have exactly one of users, topic and tenant")
        return self


_SCALES = "info, success, warning, error or critical. Severities of other scales are taken too, such as low or high."


class Message(Request):
    """What a notification and an alert have in common."""

    title: Title
    message: Text
    data: Data = Field({}, description="Whatever the client needs to know. At most 3 KiB, 16 levels.")
    level: Severity = Field("info", description=_SCALES)
    severity: Severity | None = Field(None, description="Another name of level.")
    expires_in: int | None = Field(
        None, ge=MIN_EXPIRES_IN, description="Seconds; seven days if not given, at most the server's retention."
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_none(cls, given: Any) -> Any:
        return without_nulls(given)

    @model_validator(mode="after")
    def _one_level(self) -> Self:
        """Make `level` one of ours. `severity` keeps the word of another scale."""
        given = [self.level] if self.severity is None or "level" in self.model_fields_set else []
        given += [self.severity] if self.severity is not None else []
        levels = {LEVELS[word.lower()] for word in given}
        if len(levels) > 1:
            raise PydanticCustomError("severity", "level and severity differ: give one of them")
        [self.level] = levels
        self.severity = next((word for word in given if word != self.level), None)
        return self

    def client_data(self) -> dict[str, Any]:
        """Return the data as clients receive it: with what was given besides and has no member of its own there."""
        return self.data | {"severity": self.severity} if self.severity is not None else self.data

    def lifetime(self, retention: timedelta) -> timedelta:
        """Return the time from acceptance to expiry; by default seven days, or the retention if that is shorter.

        Raises ValueError if `expires_in` exceeds the retention.
        """
        longest = int(retention.total_seconds())
        if self.expires_in is not None and self.expires_in > longest:
            raise ValueError(f"must not exceed {longest}: nothing is kept for longer")
        return timedelta(seconds=self.expires_in or min(DEFAULT_EXPIRES_IN, longest))


class Notification(Message):
    """One notification to send. The body of POST /v1/notifications."""

    audience: Audience
    priority: Priority = Field("normal", description="The lane it travels in: critical before bulk.")
    category: TypeName | None = Field(None, description="The caller's own grouping; users filter their inbox by it.")
    type: TypeName = "notification"
    channels: Channels | None = Field(
        None, description="In-app and every other channel on which the user has an address, if not given."
    )
    collapse_key: Key | None = Field(None, description="A later notification with this key replaces it on the device.")
    reference: Reference | None = Field(None, description="The caller's own name for it; need not be unique.")
    url: WebUrl | None = Field(None, description="Where a click leads.")
    action_label: ActionLabel | None = Field(
        None, description="What the button that leads to `url` says. Clients find it in `data`, as `action_label`."
    )

    require_known: bool = Field(
        False, description="Refuse the request if a user or the topic of the audience does not exist yet."
    )

    @field_validator("action_label")
    @classmethod
    def _label_of_a_link(cls, label: str | None, info: ValidationInfo) -> str | None:
        # `url` is not in `data` if it is wrong itself.
        if label is not None and info.data.get("url", "wrong") is None:
            raise PydanticCustomError("action_label", "is the text of a button: give the url that it leads to")
        return label

    def client_data(self) -> dict[str, Any]:
        """See Message."""
        return super().client_data() | ({"action_label": self.action_label} if self.action_label is not None else {})


class BulkItem(Notification):
    """One notification of several."""

    idempotency_key: IdempotencyKey | None = Field(
        None, description="Takes the place of the Idempotency-Key header for this item."
    )


# Validated one by one, later: one bad item must not spoil the others.
_Item = Annotated[Any, PlainValidator(lambda item: item, json_schema_input_type=BulkItem)]


class Bulk(Strict):
    """Several notifications, each accepted or refused on its own. The body of POST /v1/notifications/bulk."""

    items: Annotated[list[_Item], Field(min_length=1, max_length=MAX_BULK_ITEMS)]


class Alert(Message):
    """An alert to raise. The body of POST /v1/alerts."""

    level: Severity = Field("warning", description=_SCALES)
    type: TypeName = "alert"
    alert_id: OwnId | None = Field(
        None,
        validation_alias=AliasChoices("alert_id", "id"),
        description="The service's own id of the alert, `id` for short. Clients find it in `data`, as `alert_id`; "
        "clients of earlier systems as the id of the alert.",
    )

    def client_data(self) -> dict[str, Any]:
        """See Message."""
        return super().client_data() | ({"alert_id": self.alert_id} if self.alert_id is not None else {})


class EventAudience(Strict):
    """Who receives an event: exactly one of users and tenant."""

    users: Annotated[list[UserId] | None, Field(min_length=1, max_length=MAX_RECIPIENTS)] = None
    tenant: Literal[True] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.users is None) == (self.tenant is None):
            raise PydanticCustomError("audience", "must have exactly one of users and tenant")
        return self


class Event(Request):
    """An event of a type in the catalogue. The body of POST /v1/events."""

    audience: EventAudience
    type: TypeName
    data: EventData = Field(
        description="As the type's schema has it; at most 8 KiB, 16 levels. An id and created_at are added if absent."
    )
    key: Key | None = Field(
        None,
        description="What events that replace one another within the type's window have in common. It takes the place "
        "of the paths that the type names.",
    )


class Recall(Request):
    """A notification to take back. The body of a row of the outbox; over HTTP, DELETE /v1/notifications/{id}."""

    id: NotificationId


class InboxChange(Request):
    """A change of a user's inbox, as if the user made it. The body of a row of the outbox.

    Over HTTP, POST /v1/users/{user}/inbox/{notification}/read, DELETE /v1/users/{user}/inbox/{notification} and
    POST /v1/users/{user}/inbox/read-all.
    """

    user: UserId
    change: Literal["read", "delete", "read_all"]
    notification: OwnId | None = Field(None, description="Its id, or the service's own. Not for read_all.")

    @model_validator(mode="after")
    def _what(self) -> Self:
        if (self.notification is None) != (self.change == "read_all"):
            raise PydanticCustomError("notification", "name a notification to read or delete, and none for read_all")
        return self
