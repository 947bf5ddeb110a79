"""Anybody's page: their devices and mailbox, whether they are there, and what would reach them now."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from actions.principal import Principal
from actions.problems import invalid, not_found
from bus.presence import Away
from carillon.fields import Key
from config.settings import Settings
from models.addresses.queries import usable_addresses
from models.channels import CHANNELS
from models.sql.engine import read
from models.topics.queries import list_subscriptions
from models.users.queries import find_user
from models.users.search import find_users
from web.api import devices
from web.api.endpoint import Api
from web.api.fields import PAGE, Limit, Moment, Page, Query, RowId, UserPath, View
from web.api.operator_scope import tenant_meant
from web.api.users import UserView, user_view
from web.context import context

api = Api("directory", "Anybody's page, for operators.", prefix="/v1/operator")

# More than these are not listed on one page.
_TOPICS = 100


class OfTenant(Query):
    """Of which tenant."""

    tenant: str | None = Field(None, description="Needed by operators of every tenant.")


class UsersQuery(OfTenant):
    """Which users."""

    q: Key | None = Field(None, description="A part of the id, in any case; or the whole of a mailbox.")
    after: RowId | None = Field(None, description="`page.next` of the page before.")
    limit: Limit = PAGE


class FoundUser(View):
    """A user in a list."""

    id: str
    email: str | None
    devices: int
    created_at: Moment


class UserList(View):
    """Users, newest first. A page of a search may have fewer than `limit`, or none, and still a next one."""

    data: list[FoundUser]
    page: Page


class Reach(View):
    """Where a notification of this moment would go on a channel: to these addresses, or why to none."""

    channel: str
    addresses: list[str] = Field(description="A room, a mailbox, or the ids of devices.")
    reason: str | None


class UserPage(View):
    """All that is known of a user."""

    tenant: str
    user: UserView
    presence: str | None = Field(description="null: not known at the moment.")
    devices: list[devices.DeviceView]
    topics: list[str] = Field(description=f"The first {_TOPICS}.")
    reach: list[Reach]


def _tenant(caller: Principal, named: str | None) -> str:
    tenant = tenant_meant(caller, named)
    if tenant is None:
        raise invalid("tenant", "missing", "an operator of every tenant has to name the one that is meant")
    return tenant


@api.declare("GET", "/users", auth="operator", answers={200: UserList}, problems=[404])
def find_users_of_tenant(caller: Principal, query: UsersQuery) -> UserList:
    """List a tenant's users, newest first, or search in them."""
    tenant = _tenant(caller, query.tenant)
    with read(context().engine) as connection:
        found = find_users(connection, tenant, query.q, before=query.after, limit=query.limit)
    rows = [
        FoundUser(id=row.external_id, email=row.email, devices=row.devices, created_at=row.created_at)
        for row in found.rows
    ]
    return UserList(data=rows, page=Page(next=str(found.next) if found.next else None, has_more=found.next is not None))


@api.declare("GET", "/users/<path:user>", auth="operator", answers={200: UserPage}, problems=[404])
def get_user_page(caller: Principal, path: UserPath, query: OfTenant) -> UserPage:
    """Tell all that is known of a user, and what would reach them now."""
    return page_of(_tenant(caller, query.tenant), path.user)


def page_of(tenant: str, user: str) -> UserPage:
    """All that is known of the tenant's user. Raises Problem where there is none."""
    now = context().now()
    with read(context().engine) as connection:
        row = find_user(connection, tenant, user)
        if row is None:
            raise not_found("user")
        usable = usable_addresses(connection, row.id, now)
        topics = list_subscriptions(connection, tenant, user, limit=_TOPICS)
    known = devices.listed(tenant, user)
    return UserPage(
        tenant=tenant,
        user=user_view(row),
        presence=_presence(tenant, user),
        devices=known,
        topics=list(topics),
        reach=[_reach(channel, user, usable, bool(known), row.email) for channel in CHANNELS],
    )


def _presence(tenant: str, user: str) -> str | None:
    try:
        return context().leases.states(tenant, [user]).users[user]
    except Away:
        return None


def _reach(channel: str, user: str, usable: Any, has_devices: bool, email: str | None) -> Reach:
    wanting = _not_configured(channel, context().settings)
    if wanting is not None:
        return Reach(channel=channel, addresses=[], reason=wanting)
    if channel == "in_app":
        return Reach(channel=channel, addresses=[f"user:{user}"], reason=None)
    addresses = [devices.id_of(a) if channel == "push" else a.value for a in usable if a.channel == channel]
    if addresses:
        return Reach(channel=channel, addresses=addresses, reason=None)
    has_some = has_devices if channel == "push" else email is not None
    thing = "device" if channel == "push" else "mailbox"
    return Reach(channel=channel, addresses=[], reason=f"no {thing} that works" if has_some else f"no {thing}")


def _not_configured(channel: str, settings: Settings) -> str | None:
    """Why the channel sends nothing for live keys; channels.registry.build decides by the same."""
    if channel == "push" and settings.firebase_credentials is None and settings.lab_url is None:
        return "push is not configured: there are no credentials for FCM"
    if channel == "email" and settings.smtp_host is None and settings.lab_url is None:
        return "email is not configured: there is no mail server"
    return None
