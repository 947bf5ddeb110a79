"""What the API answers, as the client returns it. Members that a newer server adds are ignored."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from carillon.problems import ProblemDocument

T = TypeVar("T")


class Result(BaseModel):
    """A part of an answer. States and levels are plain strings: a newer server may have more of them."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class PageInfo(Result):
    """Where the next page begins."""

    next: str | None = None
    has_more: bool = False


class Page(Result, Generic[T]):
    """One page of a list."""

    data: list[T]
    page: PageInfo


class Items(Result, Generic[T]):
    """A list that has no pages."""

    data: list[T]


class Accepted(Result):
    """The notification is committed. `replayed`: an earlier request with the same idempotency key had committed it."""

    id: str
    created_at: datetime
    replayed: bool = False


class BulkResult(Result):
    """What became of one item. `status` is what a request of its own would have been answered with."""

    status: int
    id: str | None = None
    created_at: datetime | None = None
    replayed: bool = False
    problem: ProblemDocument | None = None


class Outcome(Result):
    """Deliveries that are in the same state for the same reason."""

    channel: str
    state: str
    failure: str | None = None
    reason: str | None = None
    number: int


class NotificationStatus(Result):
    """A notification and how far it has come. `deliveries` and what follows it are empty in lists.

    `deliveries` and `withdrawals`: by channel, then by state, the number. `not_redrivable`: dead letters that sending
    again would not help, by why.
    """

    id: str
    state: str
    mode: str
    recipients: int
    title: str
    message: str
    data: dict[str, Any]
    level: str
    priority: str
    category: str | None = None
    type: str
    channels: list[str] | None = None
    collapse_key: str | None = None
    reference: str | None = None
    url: str | None = None
    created_at: datetime
    expires_at: datetime
    deliveries: dict[str, dict[str, int]] = {}
    withdrawals: dict[str, dict[str, int]] = {}
    reasons: list[Outcome] = []
    not_redrivable: dict[str, int] = {}


class FailedAttempt(Result):
    """An attempt to deliver that failed."""

    number: int
    at: datetime
    failure: str
    reason: str


class Delivery(Result):
    """One notification on its way to one address of one user."""

    id: int
    user: str
    channel: str
    action: str
    state: str
    attempts: int
    failure: str | None = None
    reason: str | None = None
    provider_id: str | None = None
    created_at: datetime
    sent_at: datetime | None = None
    acked_at: datetime | None = None
    next_attempt_at: datetime | None = None
    expires_at: datetime
    seq: int | None = None
    failed_attempts: list[FailedAttempt] = []


class DeadLetter(Delivery):
    """A delivery that ended in failure."""

    notification_id: str


class Redriven(Result):
    """The number of deliveries that are pending again.

    `remaining`: there may be more; call again, with `id` as `redrive_id`. `not_redriven`: dead letters that stay dead
    because sending them again would not help, by why; counted when `remaining` is false.
    """

    id: str
    redriven: int
    not_redriven: dict[str, int]
    remaining: bool


class Redrive(Result):
    """What became of the dead letters that were sent again."""

    id: str
    outcomes: list[Outcome]


class Recalled(Result):
    """How far a recall is: `recalling` or `recalled`."""

    id: str
    status: str


class RaisedAlert(Result):
    """An alert, and who acknowledged it. `replayed`: an earlier request with the same key had raised it."""

    id: str
    title: str
    message: str
    level: str
    type: str
    data: dict[str, Any]
    created_at: datetime
    expires_at: datetime
    state: str
    acknowledged: bool
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    replayed: bool = False


class EventType(Result):
    """A type of the event catalogue, as it holds for the tenant."""

    name: str
    title: str
    description: str | None = None
    payload: dict[str, Any] = {}
    rooms: list[str]
    priority: str
    replay: bool
    ttl: int
    coalesce: dict[str, Any] | None = None
    emitted_by: str
    reserved: bool
    declared_by: str


class User(Result):
    """A user."""

    id: str
    email: str | None = None
    email_disabled_at: datetime | None = None
    email_disabled_reason: str | None = None
    locale: str | None = None
    created_at: datetime
    updated_at: datetime


class UserToken(Result):
    """A token for a user's page or app."""

    token: str
    expires_at: datetime


class Device(Result):
    """A device that can be pushed to. The server never returns its token."""

    id: str
    kind: str
    platform: str | None = None
    created_at: datetime
    last_seen_at: datetime
    state: str
    disabled_at: datetime | None = None
    disabled_reason: str | None = None


class InboxItem(Result):
    """A notification in a user's inbox, and what the user has done with it."""

    id: str
    seq: int
    title: str
    message: str
    data: dict[str, Any]
    level: str
    priority: str
    category: str | None = None
    type: str
    collapse_key: str | None = None
    reference: str | None = None
    url: str | None = None
    created_at: datetime
    expires_at: datetime
    status: str
    read: bool
    seen_at: datetime | None = None
    read_at: datetime | None = None
    archived_at: datetime | None = None


class ConnectionCounts(Result):
    """How many web processes there are; and of the tenant: users online, their connections, their rooms."""

    web_processes: int
    users: int
    connections: int
    rooms: int


class RejectedRow(Result):
    """A row of the outbox that the server refused. `problem` says why, as the HTTP API would have."""

    id: str
    kind: str
    created_at: datetime
    rejected_at: datetime
    body: Any = None
    problem: ProblemDocument


class UsageDay(Result):
    """What the tenant used on a day (UTC). `deliveries`: by channel, then by the state in which they ended."""

    day: date
    notifications: int
    recipients: int
    deliveries: dict[str, dict[str, int]]
