"""Paths under which client programs of the seed systems know the inbox: the same operations as under /v1."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from actions.change_inbox import count_inbox
from actions.principal import Principal
from actions.problems import not_found
from actions.send import send
from carillon.fields import Data, OwnId, Severity, Strict, Text, Title, TypeName, UserId, WebUrl, without_nulls
from carillon.levels import is_level
from carillon.payload import MAX_DATA_BYTES, payload_error
from carillon.problems import absent
from carillon.requests import Audience, Notification, Recipient
from carillon.text import cut
from models.channels import IN_APP
from models.events.vocabulary import NOTIFICATION_NEW
from models.inbox.changes import READ
from models.inbox.queries import Filter
from web.api.endpoint import Answer, Api
from web.api.fields import PAGE, Deleted, KeyHeader, Limit, Moment, NotificationPath, Page, UserPath, View
from web.api.inbox import ItemView, change_many, change_one, delete_one, item_of, items_of
from web.api.notifications import acceptance_headers
from web.context import context
from web.demo import keyless_service
from web.dialects.as_given import as_given

api = Api("aliases", "The inbox under the paths of the systems before this one.", prefix="/api")

# The title of a notification that has neither a title nor a word in its message.
UNTITLED = "Notification"
LONGEST_TITLE = 200


def _as_text(value: object) -> object:
    # bool is an int to isinstance, hence type().
    return str(value) if type(value) is int else value


def _title(message: str) -> str:
    """Return the first words of a message as a title: one line that is not empty."""
    words = " ".join(message.strip().splitlines()[0].split()) if message.strip() else ""
    return cut(words, LONGEST_TITLE).strip() or UNTITLED


SitePath = Annotated[str, Field(pattern="^/", max_length=2048)]


class KnownItem(ItemView):
    """A notification. Its id is the service's own, if the service gave one; Carillon's is `carillon_id` then."""

    id: str | int  # type: ignore[assignment]
    notification_id: str | int  # type: ignore[assignment]
    carillon_id: str | None = Field(None, exclude_if=absent)
    severity: str  # type: ignore[assignment]


class ItemList(View):
    """Notifications, newest first."""

    notifications: list[KnownItem]
    unread_count: int
    page: Page


class Stats(View):
    """The numbers of notifications. `unread_count` equals `unread`."""

    unread_count: int
    unread: int
    unseen: int
    total: int


class AllRead(View):
    """How many were unread, and how many still are."""

    count: int
    unread_count: int


class Sent(View):
    """It is committed."""

    id: str
    notification_id: str
    status: Literal["accepted"] = "accepted"
    created_at: Moment


class ItemsQuery(BaseModel):
    """Selects notifications. Unknown parameters are ignored, because these clients send some."""

    model_config = ConfigDict(extra="ignore")

    unread_only: bool = False
    after: str | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


class Note(Strict):
    """A notification. A `type` that is the name of a level is the level."""

    message: Text
    title: Title | None = Field(None, description="The first line of the message, if not given.")
    type: Annotated[TypeName | None, Field(validation_alias=AliasChoices("type", "notification_type"))] = None
    level: Annotated[Severity | None, Field(validation_alias=AliasChoices("level", "severity"))] = None
    category: TypeName | None = None
    data: Data = Field({})
    url: WebUrl | None = None
    action_url: WebUrl | SitePath | None = Field(
        None, description="Is `url` if it is absolute; can also be a path. Clients find it in `data` too."
    )

    notification_id: Annotated[
        OwnId | None,
        Field(
            validation_alias=AliasChoices("notification_id", "id"),
            description="The service's own id of it, `id` for short. To these clients it is the id.",
        ),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _null_is_none(cls, given: Any) -> Any:
        return without_nulls(given)

    @model_validator(mode="after")
    def _small_enough(self) -> Self:
        if error := payload_error(self._all_data(), MAX_DATA_BYTES):
            raise PydanticCustomError("data", "data with action_url and notification_id {error}", {"error": error})
        return self

    def _all_data(self) -> dict[str, Any]:
        own = {"notification_id": self.notification_id} if self.notification_id is not None else {}
        return ({"action_url": self.action_url} if self.action_url else {}) | self.data | own

    def _absolute(self) -> str | None:
        given = self.action_url
        return given if given and given.startswith(("https://", "http://")) else None

    def submission(self, user: str, **other: Any) -> Notification:
        """Return the body of POST /v1/notifications."""
        level = self.type if is_level(self.type) else None
        said: dict[str, Any] = {
            "level": self.level or level,
            "type": None if level else self.type,
            "category": self.category,
            "url": self.url or self._absolute(),
            "reference": str(self.notification_id) if self.notification_id is not None else None,
        }
        return Notification(
            audience=Audience(users=[Recipient(id=user)]),
            title=self.title or _title(self.message),
            message=self.message,
            data=self._all_data(),
            **{name: value for name, value in said.items() if value is not None},
            **other,
        )


class NewNote(Note):
    """A notification and its user."""

    user_id: Annotated[UserId, BeforeValidator(_as_text, json_schema_input_type=str | int)]


class ShortNote(Strict):
    """A text for a user's screen."""

    message: Text
    type: TypeName | None = None


def _known(item: ItemView) -> KnownItem:
    return KnownItem(**as_given(NOTIFICATION_NEW, item.model_dump()))


def _send(caller: Principal, header: KeyHeader, request: Notification) -> Answer:
    accepted = send(context(), caller, request, header.idempotency_key)
    sent = Sent(id=str(accepted.id), notification_id=str(accepted.id), created_at=accepted.created_at)
    return Answer(sent, 202, acceptance_headers(accepted))


@api.declare("GET", "/notifications", auth="user", answers={200: ItemList})
def list_notifications_alias(caller: Principal, query: ItemsQuery) -> ItemList:
    """List the user's notifications, newest first: GET /v1/inbox."""
    shown, page = items_of(caller, Filter("unread" if query.unread_only else "all"), query.after, query.limit)
    unread = count_inbox(context(), caller).unread
    return ItemList(notifications=[_known(item) for item in shown], unread_count=unread, page=page)


@api.declare(
    "POST",
    "/notifications",
    auth="service",
    answers={202: Sent},
    problems=[409],
    headers=["Location", "Idempotent-Replayed"],
)
def create_notification_alias(caller: Principal, header: KeyHeader, body: NewNote) -> Answer:
    """Send a notification to one user: POST /v1/notifications.

    For services only: a browser that could send could reach any user's screen, phone and mailbox.
    """
    return _send(caller, header, body.submission(body.user_id))


@api.declare("GET", "/notifications/stats", auth="user", answers={200: Stats})
def count_notifications_alias(caller: Principal) -> Stats:
    """Count the user's notifications: GET /v1/inbox/counts."""
    counts = count_inbox(context(), caller)
    return Stats(unread_count=counts.unread, **counts.data())


@api.declare("POST", "/notifications/read-all", auth="user", answers={200: AllRead})
def read_all_notifications_alias(caller: Principal) -> AllRead:
    """Mark all of the user's notifications as read: POST /v1/inbox/read-all."""
    swept = change_many(caller, READ, Filter())
    return AllRead(count=swept.count, unread_count=swept.counts.unread)


@api.declare("GET", "/notifications/<notification>", auth="user", answers={200: KnownItem}, problems=[404])
def get_notification_alias(caller: Principal, path: NotificationPath) -> KnownItem:
    """Look up one of the user's notifications: GET /v1/inbox/{id}."""
    return _known(item_of(caller, path))


@api.declare("PUT", "/notifications/<notification>/read", auth="user", answers={200: KnownItem}, problems=[404])
def read_notification_alias(caller: Principal, path: NotificationPath) -> KnownItem:
    """Mark a notification as read: POST /v1/inbox/{id}/read."""
    return _known(change_one(caller, path, READ))


@api.declare("DELETE", "/notifications/<notification>", auth="user", answers={200: Deleted}, problems=[404])
def delete_notification_alias(caller: Principal, path: NotificationPath) -> Deleted:
    """Delete one of the user's notifications: DELETE /v1/inbox/{id}."""
    return delete_one(caller, path)


@api.declare(
    "POST",
    "/test/notification/<user>",
    auth="service",
    answers={202: Sent},
    problems=[404, 409],
    headers=["Location", "Idempotent-Replayed"],
    stand_in=keyless_service,
)
def send_test_notification(caller: Principal, path: UserPath, header: KeyHeader, body: ShortNote) -> Answer:
    """Show a text on a user's screen, to try Carillon; only if CARILLON_ENV is development.

    It is sent in-app only, and not by e-mail or push. With `make run` it needs no key, and goes to the demo's tenant.
    """
    if context().settings.env != "development":
        raise not_found("path")
    note = Note(message=body.message, type=body.type)
    return _send(caller, header, note.submission(path.user, channels=[IN_APP]))
