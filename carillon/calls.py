"""Every operation of the API, once: how it is asked, what it answers, whether it may be repeated. No I/O.

Each function returns a Call. `Client` and `AsyncClient` have a method of the same name, which carries the call out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar, Unpack
from urllib.parse import quote

import httpx
import pydantic
from pydantic import BaseModel
from uuid_utils.compat import uuid7

from carillon.fields import EventData, IdempotencyKey, Topic, UserId
from carillon.problems import UnexpectedAnswer
from carillon.requests import Alert, BulkItem, Event, Notification
from carillon.results import (
    Accepted,
    BulkResult,
    ConnectionCounts,
    DeadLetter,
    Delivery,
    Device,
    EventType,
    InboxItem,
    Items,
    NotificationStatus,
    Page,
    RaisedAlert,
    Recalled,
    Redrive,
    Redriven,
    RejectedRow,
    UsageDay,
    User,
    UserToken,
)
from carillon.validation import checked, validated, validated_items

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One request. `path` is below the server's URL; `parse` turns a 2xx answer into the result.

    `repeatable`: it may be carried out twice with the effect of once. `absent_is_done`: a repetition that is answered
    404 has succeeded, because the attempt before it, whose answer was lost, had done it.
    """

    method: str
    path: str
    parse: Callable[[httpx.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    absent_is_done: bool = False


class UserFields(TypedDict, total=False):
    """What is known of a user. What is left out stays as it is; `email=None` removes the mailbox."""

    email: str | None
    locale: str


class DeviceFields(TypedDict):
    """A device: `token` is its FCM registration token, `fid` its Firebase installation id; exactly one of them."""

    token: NotRequired[str]
    fid: NotRequired[str]
    platform: NotRequired[Literal["android", "ios", "web"]]


# Notifications


def send(
    notification: Notification | None = None, *, idempotency_key: str | None = None, **fields: Any
) -> Call[Accepted]:
    """Send a notification, given as a Notification or by its fields.

    It is committed when this returns. Without an `idempotency_key` one is made, so that a retry cannot send it twice.
    Pass one of your own to cover retries of your program too.
    """
    body = validated(Notification, notification, fields)
    return Call("POST", "/v1/notifications", _replayable(Accepted), json=body, headers=_key(idempotency_key))


def send_many(
    items: Iterable[BulkItem | Notification | Mapping[str, Any]], *, idempotency_key: str | None = None
) -> Call[list[BulkResult]]:
    """Send up to 100 notifications, each accepted or refused on its own; results are in the order of the items.

    An item without an idempotency_key of its own has the request's, with its position.
    """
    body = {"items": validated_items(items)}
    return Call("POST", "/v1/notifications/bulk", _items(BulkResult), json=body, headers=_key(idempotency_key))


def get_notification(notification_id: str) -> Call[NotificationStatus]:
    """Look up a notification, with its deliveries counted by channel and state."""
    return _get(NotificationStatus, f"/v1/notifications/{_segment(notification_id)}")


def notifications(
    *,
    q: str | None = None,
    reference: str | None = None,
    state: str | None = None,
    type: str | None = None,
    category: str | None = None,
    priority: str | None = None,
    user: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: str | None = None,
    page_size: int = 50,
) -> Call[Page[NotificationStatus]]:
    """Iterate over notifications, newest first, or over those that meet all that is given.

    `q` is a part of the title, or an id. `since` and `until` must have a time zone.
    """
    params = {
        "q": q,
        "reference": reference,
        "state": state,
        "type": type,
        "category": category,
        "priority": priority,
        "user": user,
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
    }
    return list_of(NotificationStatus, "/v1/notifications", after, page_size, params)


def recall(notification_id: str) -> Call[Recalled]:
    """Take a notification back: what is pending is cancelled, what was shown is withdrawn where that is possible."""
    return Call("DELETE", f"/v1/notifications/{_segment(notification_id)}", _model(Recalled))


def deliveries(
    notification_id: str,
    *,
    channel: str | None = None,
    state: str | None = None,
    after: str | None = None,
    page_size: int = 200,
) -> Call[Page[Delivery]]:
    """Iterate over the deliveries of a notification, oldest first."""
    path = f"/v1/notifications/{_segment(notification_id)}/deliveries"
    return list_of(Delivery, path, after, page_size, {"channel": channel, "state": state})


# Alerts


def raise_alert(alert: Alert | None = None, *, idempotency_key: str | None = None, **fields: Any) -> Call[RaisedAlert]:
    """Raise an alert for the whole tenant, given as an Alert or by its fields. Keys are as for `send`."""
    body = validated(Alert, alert, fields)
    return Call("POST", "/v1/alerts", _replayable(RaisedAlert), json=body, headers=_key(idempotency_key))


def get_alert(alert_id: str) -> Call[RaisedAlert]:
    """Look up an alert."""
    return _get(RaisedAlert, f"/v1/alerts/{_segment(alert_id)}")


def alerts(
    *, state: str | None = None, level: str | None = None, after: str | None = None, page_size: int = 50
) -> Call[Page[RaisedAlert]]:
    """Iterate over the tenant's alerts, newest first."""
    return list_of(RaisedAlert, "/v1/alerts", after, page_size, {"state": state, "level": level})


def count_alerts() -> Call[int]:
    """Count the alerts that are not acknowledged."""
    return Call("GET", "/v1/alerts/count", _number("unacknowledged"))


def delete_alert(alert_id: str) -> Call[None]:
    """Remove an alert from the screens of all users."""
    return _delete(f"/v1/alerts/{_segment(alert_id)}")


# Events


def publish_event(event: Event | None = None, **fields: Any) -> Call[int]:
    """Publish an event of the catalogue, given as an Event or by its fields. Returns the number of rooms it went to.

    Events have no idempotency key. It is retried only where the server cannot have published it; after any other
    ConnectionFailed or TimedOut it is unknown whether it was.
    """
    body = validated(Event, event, fields)
    return Call("POST", "/v1/events", _number("accepted"), json=body, repeatable=False)


def event_types() -> Call[list[EventType]]:
    """List the event catalogue as it holds for the tenant."""
    return Call("GET", "/v1/event-types", _items(EventType))


def get_event_type(name: str) -> Call[EventType]:
    """Look up an event type."""
    return _get(EventType, f"/v1/event-types/{_segment(name)}")


def declare_event_type(name: str, **declaration: Any) -> Call[EventType]:
    """Declare an event type for the tenant, or replace its declaration.

    `declaration` has `title`, and optionally `description`, `payload` (a JSON Schema), `rooms`, `priority`, `replay`,
    `ttl` (seconds) and `coalesce`.
    """
    return Call("PUT", f"/v1/event-types/{_segment(name)}", _model(EventType), json=declaration)


def withdraw_event_type(name: str) -> Call[None]:
    """Withdraw the tenant's declaration of a type."""
    return _delete(f"/v1/event-types/{_segment(name)}")


# Users, devices, topics


def get_user(user: str) -> Call[User]:
    """Look up a user."""
    return _get(User, _user(user))


def put_user(user: str, **fields: Unpack[UserFields]) -> Call[User]:
    """Create or update a user. What is left out stays as it is; `email=None` removes the mailbox."""
    return Call("PUT", _user(user), _model(User), json=fields)


def enable_email(user: str) -> Call[User]:
    """Send to a user's e-mail address again, after the mail server said that it does not exist."""
    return Call("POST", f"{_user(user)}/email/enable", _model(User))


def delete_user(user: str) -> Call[None]:
    """Delete a user and everything addressed to them."""
    return _delete(_user(user))


def create_token(user: str, *, lifetime: int = 3600) -> Call[UserToken]:
    """Mint a token for a user's page or app, valid for `lifetime` seconds (at most 24 hours).

    The user need not exist yet.
    """
    return Call("POST", f"{_user(user)}/tokens", _model(UserToken), json={"lifetime": lifetime})


def devices(user: str) -> Call[list[Device]]:
    """List a user's devices."""
    return Call("GET", f"{_user(user)}/devices", _items(Device))


def put_device(user: str, **fields: Unpack[DeviceFields]) -> Call[Device]:
    """Register a device for push by its `token` or its `fid`, whichever user of the tenant had it before."""
    return Call("PUT", f"{_user(user)}/devices", _model(Device), json=fields)


def delete_device(user: str, device_id: str) -> Call[None]:
    """Forget a device."""
    return _delete(f"{_user(user)}/devices/{_segment(device_id)}")


def add_to_topic(topic: str, users: Iterable[str]) -> Call[int]:
    """Subscribe up to 1000 users to a topic, created if need be. Returns the number of different users."""
    json = {"users": list(users)}
    return Call("PUT", f"{_topic(topic)}/members", _number("members"), json=json)


def remove_from_topic(topic: str, users: Iterable[str]) -> Call[int]:
    """Unsubscribe up to 1000 users from a topic. Returns how many of them were subscribed.

    After a retry that number can be too small.
    """
    json = {"users": list(users)}
    return Call("DELETE", f"{_topic(topic)}/members", _number("removed"), json=json)


def open_topic(topic: str) -> Call[None]:
    """Allow users to subscribe themselves to a topic."""
    return Call("PUT", _topic(topic), _nothing, json={"open": True})


def close_topic(topic: str) -> Call[None]:
    """Forbid users to subscribe themselves to a topic. Those who are subscribed stay so."""
    return Call("PUT", _topic(topic), _nothing, json={"open": False})


# Inboxes and connections


def inbox(user: str, *, status: str = "all", after: str | None = None, page_size: int = 50) -> Call[Page[InboxItem]]:
    """Iterate over a user's inbox, newest first. `status`: all (not archived), unread, read or archived."""
    return list_of(InboxItem, inbox_path(user), after, page_size, {"status": status})


def inbox_path(user: str) -> str:
    """Return the path of a user's inbox."""
    return f"{_user(user)}/inbox"


def read_for(user: str, notification_id: str | int) -> Call[InboxItem]:
    """Mark a user's notification as read, as if the user did it, by its id or by the service's own."""
    return Call("POST", f"{inbox_path(user)}/{_segment(str(notification_id))}/read", _model(InboxItem))


def read_all_for(user: str) -> Call[int]:
    """Mark all of a user's notifications as read. Returns how many were not."""
    return Call("POST", f"{inbox_path(user)}/read-all", _number("count"))


def delete_for(user: str, notification_id: str | int) -> Call[None]:
    """Delete a notification from a user's inbox, by its id or by the service's own."""
    return Call("DELETE", f"{inbox_path(user)}/{_segment(str(notification_id))}", _nothing)


def connections(user: str) -> Call[list[str]]:
    """List the ids of the connections that a user has open now, on every device."""
    return Call("GET", f"{_user(user)}/connections", _items(str))


def send_to_connection(connection_id: str, message: Mapping[str, Any]) -> Call[None]:
    """Send a message to one connection, which receives it as `direct_message`. It is neither stored nor repeated."""
    path = f"/v1/connections/{_segment(connection_id)}/messages"
    body = checked("message", EventData, dict(message))
    return Call("POST", path, _nothing, json={"message": body}, repeatable=False)


def count_connections() -> Call[ConnectionCounts]:
    """Count web processes, and the tenant's users online, their connections and rooms."""
    return _get(ConnectionCounts, "/v1/connections/count")


# What could not be delivered, and what could not be accepted


def dead_letters(
    *, failure: str | None = None, channel: str | None = None, after: str | None = None, page_size: int = 200
) -> Call[Page[DeadLetter]]:
    """Iterate over the tenant's dead letters, oldest first."""
    return list_of(DeadLetter, "/v1/dead-letters", after, page_size, {"failure": failure, "channel": channel})


def redrive(
    *,
    failure: str | None = None,
    channel: str | None = None,
    notification_id: str | None = None,
    ids: Iterable[int] | None = None,
    redrive_id: str | None = None,
    limit: int = 1000,
) -> Call[Redriven]:
    """Send dead letters again, those that meet all that is given, up to 1000 in one call.

    `redrive_id`: the `id` of an earlier result, to continue that redrive. It takes no letter twice.
    """
    chosen = {
        "failure": failure,
        "channel": channel,
        "notification_id": notification_id,
        "ids": list(ids) if ids is not None else None,
        "redrive": redrive_id,
    }
    json = {"limit": limit} | {name: value for name, value in chosen.items() if value is not None}
    return Call("POST", "/v1/dead-letters/redrive", _model(Redriven), json=json, repeatable=False)


def get_redrive(redrive_id: str) -> Call[Redrive]:
    """See what became of dead letters that were sent again."""
    return _get(Redrive, f"/v1/redrives/{_segment(redrive_id)}")


def rejected(*, after: str | None = None, page_size: int = 50) -> Call[Page[RejectedRow]]:
    """Iterate over the rows of the outbox that the server rejected."""
    return list_of(RejectedRow, "/v1/outbox/rejected", after, page_size, {})


# What was used


def usage(*, since: date | None = None, until: date | None = None) -> Call[list[UsageDay]]:
    """Return what was used on each day (UTC) from `since` to `until`, newest first, without idle days.

    At most 366 days. Default: 30 days, up to today.
    """
    days = {"since": since, "until": until}
    params = {name: day.isoformat() for name, day in days.items() if day is not None}
    return Call("GET", "/v1/usage", _items(UsageDay), params=params)


# Parts of calls


def list_of(item: type[T], path: str, after: str | None, page_size: int, params: Mapping[str, Any]) -> Call[Page[T]]:
    """Return the call for one page of a list."""
    given = {"limit": page_size, "after": after, **params}
    return Call(
        "GET",
        path,
        _model(Page[item]),  # type: ignore[valid-type]
        params={name: value for name, value in given.items() if value is not None},
    )


def _get(model: type[Model], path: str) -> Call[Model]:
    return Call("GET", path, _model(model))


def _delete(path: str) -> Call[None]:
    return Call("DELETE", path, _nothing, absent_is_done=True)


def _key(given: str | None) -> dict[str, str]:
    return {"Idempotency-Key": str(uuid7()) if given is None else checked("idempotency_key", IdempotencyKey, given)}


def _user(user: str) -> str:
    return f"/v1/users/{_segment(checked('user', UserId, user))}"


def _topic(topic: str) -> str:
    return f"/v1/topics/{_segment(checked('topic', Topic, topic))}"


def _segment(value: str) -> str:
    quoted = quote(value, safe="")
    # On the way to the server "." and ".." would be taken for steps in the path.
    return quoted.replace(".", "%2E") if quoted in (".", "..") else quoted


def _model(model: type[Model]) -> Callable[[httpx.Response], Model]:
    def parse(response: httpx.Response) -> Model:
        try:
            # Members that a newer server adds are ignored, those of nested models too.
            return model.model_validate_json(response.content, extra="ignore")
        except pydantic.ValidationError as error:
            raise UnexpectedAnswer(f"{response.status_code} with a body that is not as expected") from error

    return parse


def _items(item: type[T]) -> Callable[[httpx.Response], list[T]]:
    parse = _model(Items[item])  # type: ignore[valid-type]
    return lambda response: parse(response).data


def _replayable(model: type[Model]) -> Callable[[httpx.Response], Model]:
    parse = _model(model)

    def parse_with_header(response: httpx.Response) -> Model:
        replayed = response.headers.get("Idempotent-Replayed") == "true"
        return parse(response).model_copy(update={"replayed": replayed})

    return parse_with_header


def _number(member: str) -> Callable[[httpx.Response], int]:
    def parse(response: httpx.Response) -> int:
        try:
            return int(response.json()[member])
        except (ValueError, KeyError, TypeError) as error:
            raise UnexpectedAnswer(f"{response.status_code} with a body that is not as expected") from error

    return parse


def _nothing(_response: httpx.Response) -> None:
    return None
