"""The inbox of the token's user: list, change, count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from actions import change_inbox as actions
from actions.principal import Principal
from actions.problems import Problem, invalid, not_found
from carillon.fields import Priority, Strict, TypeName
from carillon.levels import Level
from models.events.vocabulary import notification_new
from models.inbox.changes import ARCHIVE, DELETE, READ, SEEN, UNARCHIVE, UNREAD, Operation
from models.inbox.queries import Filter, Item, Status, find_item, find_received, items_named, list_items
from models.sql.engine import read
from web.api.endpoint import Api
from web.api.fields import PAGE, Deleted, Limit, Moment, NotificationPath, Page, Query, UserPath, View, page_of
from web.api.users import USER
from web.context import context

api = Api("inbox", "What a user keeps of what was sent to them.")


class ContentView(View):
    """What a notification says."""

    id: str
    notification_id: str
    title: str
    message: str
    data: dict[str, Any]
    level: Level
    severity: Level
    priority: Priority
    category: str | None
    type: str
    collapse_key: str | None
    reference: str | None
    url: str | None
    created_at: Moment
    timestamp: Moment
    expires_at: Moment


class ItemView(ContentView):
    """A notification, with the members of `notification:new` and what its user has done with it."""

    seq: int = Field(description="The number of its event in the user's room.")
    status: Literal["unread", "read", "archived"]
    read: bool
    seen_at: Moment | None
    read_at: Moment | None
    archived_at: Moment | None


class ItemPage(View):
    """Items, newest first."""

    data: list[ItemView]
    page: Page


class CountsView(View):
    """`total` counts notifications that are not archived, deleted or expired. `unseen` is a part of `unread`."""

    unread: int
    unseen: int
    total: int


class SweptView(View):
    """What was changed, and the counts after it. `more`: there are too many for one request, repeat it."""

    count: int
    more: bool
    counts: CountsView


class InboxQuery(Query):
    """Which items."""

    status: Status = "all"
    category: TypeName | None = None
    type: TypeName | None = None
    level: Level | None = None
    after: str | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


class UpTo(Strict):
    """All items, or those up to one."""

    up_to: str | None = Field(None, description="The id of the newest item to include.")

    def bound(self) -> UUID | None:
        """Return the id. Raises Problem if it is not an id."""
        return id_in("up_to", self.up_to)


class ReadAllBody(UpTo):
    """Selects unread items; all of them by default."""

    category: TypeName | None = None
    type: TypeName | None = None
    level: Level | None = None


class ClearBody(ReadAllBody):
    """Selects items; by default, all that are not archived."""

    status: Status = "all"


def id_in(field: str, text: str | None) -> UUID | None:
    """Return the id of a notification in a field. Raises Problem if it is not an id."""
    if text is None:
        return None
    try:
        return NotificationPath(notification=text).uuid()
    except Problem as error:
        raise invalid(field, "id", "is not the id of a notification") from error


def item_view(item: Item) -> ItemView:
    """Return an item as clients receive it."""
    status = "archived" if item.archived_at else "read" if item.read_at else "unread"
    return ItemView(
        **notification_new(item.content),
        seq=item.seq,
        status=status,
        read=item.read_at is not None,
        seen_at=item.seen_at,
        read_at=item.read_at,
        archived_at=item.archived_at,
    )


def item_of(caller: Principal, path: NotificationPath) -> ItemView:
    """Return the caller's item. Raises Problem if it does not exist or is not theirs."""
    with read(context().engine) as connection:
        for one in items_named(connection, caller.tenant, caller.id, [path.notification]):
            item = find_item(connection, caller.tenant, caller.id, one, context().now())
            if item is not None:
                return item_view(item)
    raise not_found("notification")


def items_of(caller: Principal, which: Filter, after: str | None, limit: int) -> tuple[list[ItemView], Page]:
    """Return a page of the caller's items. Raises Problem if `after` is not valid."""
    before = id_in("after", after)
    with read(context().engine) as connection:
        found = list_items(connection, caller.tenant, caller.id, which, context().now(), before=before, limit=limit + 1)
    return page_of([item_view(item) for item in found], limit)


def change_one(caller: Principal, path: NotificationPath, operation: Operation) -> ItemView:
    """Change an item and return it. Raises Problem if it does not exist or is not theirs."""
    actions.change(context(), caller, operation, [path.notification])
    return item_of(caller, path)


def delete_one(caller: Principal, path: NotificationPath) -> Deleted:
    """Delete an item. A repeated request has the same answer. Raises Problem if it never was the caller's."""
    if not actions.change(context(), caller, DELETE, [path.notification]).known:
        raise not_found("notification")
    return Deleted()


def change_many(caller: Principal, operation: Operation, which: Filter) -> SweptView:
    """Change all items that match the filter."""
    swept = actions.change_all(context(), caller, operation, which)
    return SweptView(count=swept.count, more=swept.more, counts=CountsView(**swept.counts.data()))


@api.declare("GET", "/inbox", auth="user", answers={200: ItemPage})
def list_inbox(caller: Principal, query: InboxQuery) -> ItemPage:
    """List the user's notifications, newest first.

    `all` means all that are not archived.
    """
    which = Filter(query.status, query.category, query.type, query.level)
    data, page = items_of(caller, which, query.after, query.limit)
    return ItemPage(data=data, page=page)


@api.declare("GET", "/inbox/counts", auth="user", answers={200: CountsView})
def count_inbox(caller: Principal) -> CountsView:
    """Count the user's notifications."""
    return CountsView(**actions.count_inbox(context(), caller).data())


@api.declare("GET", "/inbox/<notification>", auth="user", answers={200: ItemView}, problems=[404])
def get_inbox_item(caller: Principal, path: NotificationPath) -> ItemView:
    """Look up one of the user's notifications."""
    return item_of(caller, path)


@api.declare("GET", "/notifications/<notification>/content", auth="user", answers={200: ContentView}, problems=[404])
def get_content(caller: Principal, path: NotificationPath) -> ContentView:
    """Look up what a notification to the user says, on whatever channel it was sent.

    For apps that received a push from which something was left out, because FCM carries no more than 4096 bytes. A
    notification that is recalled or expired is not found.
    """
    with read(context().engine) as connection:
        found = find_received(connection, caller.tenant, caller.id, path.uuid(), context().now())
    if found is None:
        raise not_found("notification")
    return ContentView(**notification_new(found))


@api.declare("DELETE", "/inbox/<notification>", auth="user", answers={200: Deleted}, problems=[404])
def delete_inbox_item(caller: Principal, path: NotificationPath) -> Deleted:
    """Delete one of the user's notifications.

    It disappears from all of the user's devices, and its pending deliveries are cancelled.
    """
    return delete_one(caller, path)


@api.declare("POST", "/inbox/<notification>/read", auth="user", answers={200: ItemView}, problems=[404])
def mark_inbox_item_read(caller: Principal, path: NotificationPath) -> ItemView:
    """Mark a notification as read.

    It disappears from the lock screens of all of the user's devices, and its pending deliveries are cancelled.
    """
    return change_one(caller, path, READ)


@api.declare("POST", "/inbox/<notification>/unread", auth="user", answers={200: ItemView}, problems=[404])
def mark_inbox_item_unread(caller: Principal, path: NotificationPath) -> ItemView:
    """Mark a notification as unread."""
    return change_one(caller, path, UNREAD)


@api.declare("POST", "/inbox/<notification>/seen", auth="user", answers={200: ItemView}, problems=[404])
def mark_inbox_item_seen(caller: Principal, path: NotificationPath) -> ItemView:
    """Mark a notification as seen. It stays unread."""
    return change_one(caller, path, SEEN)


@api.declare("POST", "/inbox/<notification>/archive", auth="user", answers={200: ItemView}, problems=[404])
def archive_inbox_item(caller: Principal, path: NotificationPath) -> ItemView:
    """Archive a notification: it is kept, but no longer shown or counted."""
    return change_one(caller, path, ARCHIVE)


@api.declare("POST", "/inbox/<notification>/unarchive", auth="user", answers={200: ItemView}, problems=[404])
def unarchive_inbox_item(caller: Principal, path: NotificationPath) -> ItemView:
    """Restore a notification from the archive."""
    return change_one(caller, path, UNARCHIVE)


@api.declare("POST", "/inbox/read-all", auth="user", answers={200: SweptView})
def read_inbox(caller: Principal, body: ReadAllBody) -> SweptView:
    """Mark all notifications as read, or those of a category, type or level, or those up to one."""
    return change_many(caller, READ, Filter("all", body.category, body.type, body.level, body.bound()))


@api.declare("POST", "/inbox/seen", auth="user", answers={200: SweptView})
def see_inbox(caller: Principal, body: UpTo) -> SweptView:
    """Mark all notifications as seen, or those up to one."""
    return change_many(caller, SEEN, Filter(up_to=body.bound()))


@api.declare("POST", "/inbox/clear", auth="user", answers={200: SweptView})
def clear_inbox(caller: Principal, body: ClearBody) -> SweptView:
    """Delete all notifications that are not archived, or those of a status, category, type or level."""
    return change_many(caller, DELETE, Filter(body.status, body.category, body.type, body.level, body.bound()))


class UserInboxQuery(Query):
    """Which of a user's notifications."""

    status: Status = "all"
    after: str | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


@api.declare("GET", f"{USER}/inbox", auth=["service", "operator"], answers={200: ItemPage})
def list_inbox_of_user(caller: Principal, path: UserPath, query: UserInboxQuery) -> ItemPage:
    """List a user's notifications, newest first. The list of an unknown user is empty."""
    user = replace(caller, kind="user", id=path.user)
    data, page = items_of(user, Filter(query.status), query.after, query.limit)
    return ItemPage(data=data, page=page)


class UserItemPath(UserPath, NotificationPath):
    """Names a user and one of their notifications."""


@api.declare("POST", f"{USER}/inbox/read-all", auth="service", answers={200: SweptView})
def read_inbox_of_user(caller: Principal, path: UserPath) -> SweptView:
    """Mark all of a user's notifications as read, as the user does with POST /v1/inbox/read-all."""
    return change_many(actions.acting_as(caller, path.user), READ, Filter())


@api.declare("POST", f"{USER}/inbox/<notification>/read", auth="service", answers={200: ItemView}, problems=[404])
def read_item_of_user(caller: Principal, path: UserItemPath) -> ItemView:
    """Mark a user's notification as read, as the user does with POST /v1/inbox/{id}/read."""
    return change_one(actions.acting_as(caller, path.user), path, READ)


@api.declare("DELETE", f"{USER}/inbox/<notification>", auth="service", answers={200: Deleted}, problems=[404])
def delete_item_of_user(caller: Principal, path: UserItemPath) -> Deleted:
    """Delete a user's notification, as the user does with DELETE /v1/inbox/{id}.

    To take it back from everybody it was sent to, use DELETE /v1/notifications/{id}.
    """
    return delete_one(actions.acting_as(caller, path.user), path)
