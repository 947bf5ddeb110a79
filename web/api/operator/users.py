"""A user's devices, mailbox and presence, and the channels that would reach them now."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from actions.principal import Principal
from actions.problems import invalid, not_found
from bus.presence import Away
from carillon.fields import Key
from config.settings import Settings, environment_name
from models.addresses.devices import public_id
from models.addresses.queries import Address, usable_addresses
from models.channels import CHANNELS, EMAIL, PUSH
from models.rooms.names import user_room
from models.sql.engine import read
from models.topics.queries import list_subscriptions
from models.users.queries import User, find_user
from models.users.search import find_users
from web.api import devices
from web.api.endpoint import Api
from web.api.fields import PAGE, Limit, Moment, Page, Query, RowId, UserPath, View
from web.api.operator_scope import tenant_meant
from web.api.users import UserView, user_view
from web.context import context

api = Api("directory", "Users, for operators.", prefix="/v1/operator")

# The largest numbers listed on one page.
_TOPICS = 100


class OfTenant(Query):
    """The tenant."""

    tenant: str | None = Field(None, description="Required for operators of every tenant.")


class UsersQuery(OfTenant):
    """Which users."""

    q: Key | None = Field(None, description="A part of the id, without regard to case; or a complete e-mail address.")
    after: RowId | None = Field(None, description="`page.next` of the previous page.")
    limit: Limit = PAGE


class FoundUser(View):
    """A user in a list."""

    id: str
    email: str | None
    email_disabled_at: Moment | None
    devices: int
    created_at: Moment


class UserList(View):
    """Users, newest first. In a search, a page can be short or empty although there is a next page."""

    data: list[FoundUser]
    page: Page


class Reach(View):
    """Where a notification sent now would go on a channel: the addresses, or the reason for none."""

    channel: str
    addresses: list[str] = Field(description="A room, a mailbox, or the ids of devices.")
    reason: str | None


class UserPage(View):
    """A user, with everything that is known about them."""

    tenant: str
    user: UserView
    presence: str | None = Field(description="null if it is not known at the moment.")
    devices: list[devices.DeviceView]
    topics: list[str] = Field(description=f"The first {_TOPICS}.")
    reach: list[Reach]


def _tenant(caller: Principal, named: str | None) -> str:
    tenant = tenant_meant(caller, named)
    if tenant is None:
        raise invalid("tenant", "missing", "an operator of every tenant has to name a tenant")
    return tenant


@api.declare("GET", "/users", auth="operator", answers={200: UserList}, problems=[404])
def find_users_of_tenant(caller: Principal, query: UsersQuery) -> UserList:
    """List or search a tenant's users, newest first."""
    tenant = _tenant(caller, query.tenant)
    with read(context().engine) as connection:
        found = find_users(connection, tenant, query.q, before=query.after, limit=query.limit)
    rows = [
        FoundUser(
            id=row.external_id,
            email=row.email,
            email_disabled_at=row.email_disabled_at,
            devices=row.devices,
            created_at=row.created_at,
        )
        for row in found.rows
    ]
    return UserList(data=rows, page=Page(next=str(found.next) if found.next else None, has_more=found.next is not None))


@api.declare("GET", "/users/<user>", auth="operator", answers={200: UserPage}, problems=[404])
def get_user_page(caller: Principal, path: UserPath, query: OfTenant) -> UserPage:
    """Look up a user, and the channels that would reach them now."""
    return page_of(_tenant(caller, query.tenant), path.user)


def page_of(tenant: str, user: str) -> UserPage:
    """Return everything about the tenant's user. Raises Problem if there is none."""
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
        reach=[_reach(channel, row, usable, bool(known)) for channel in CHANNELS],
    )


def _presence(tenant: str, user: str) -> str | None:
    try:
        return context().leases.states(tenant, [user]).users[user]
    except Away:
        return None


def _reach(channel: str, user: User, usable: Sequence[Address], has_devices: bool) -> Reach:
    spec = CHANNELS[channel]
    wanting = _not_configured(channel, context().settings)
    if wanting is not None:
        return Reach(channel=channel, addresses=[], reason=wanting)
    if spec.addressed_by == "room":
        return Reach(channel=channel, addresses=[user_room(user.external_id)], reason=None)
    addresses = [public_id(a.value) if spec.secret_address else a.value for a in usable if a.channel == channel]
    if addresses:
        return Reach(channel=channel, addresses=addresses, reason=None)
    reason = f"no {spec.address_noun}"
    if channel == PUSH and has_devices:
        reason += " that works"
    if channel == EMAIL and user.email_disabled_at is not None:
        reason = f"the mailbox is disabled: {user.email_disabled_reason}"
    return Reach(channel=channel, addresses=[], reason=reason)


def _not_configured(channel: str, settings: Settings) -> str | None:
    """Return why the channel sends nothing for live keys, or None if it is configured."""
    needs = CHANNELS[channel].needs
    if not needs or any(getattr(settings, name) is not None for name in needs):
        return None
    return f"{channel} is not configured: set {' or '.join(environment_name(name) for name in needs)}"
