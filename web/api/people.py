"""Users and their devices, kept by the caller's ids."""

from __future__ import annotations

import hashlib
from typing import Any, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from models.db import read, write
from models.ledger import people
from web.api.endpoint import Api
from web.api.fields import Email, Key, Locale, Moment, Strict, UserPath, View
from web.auth import Principal
from web.context import context
from web.problems import Problem, not_found

api = Api("people", "Users, their mailboxes and their devices.")

# An id may hold a slash. Only one that ends in /devices or begins with a slash cannot be named in a path.
_USER = "/users/<path:user>"


class UserBody(Strict):
    """What is known of a user. What is left out stays as it is."""

    email: Email | None = Field(None, description="null removes the mailbox.")
    locale: Locale | None = None


class UserView(View):
    """A user."""

    id: str
    email: str | None
    locale: str | None
    created_at: Moment
    updated_at: Moment


class DeviceBody(Strict):
    """A device for push: its registration token, or its Firebase installation id."""

    token: str | None = Field(None, min_length=1, max_length=4096, pattern=r"^[\x21-\x7e]+$")
    fid: str | None = Field(None, min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_\-]+$")
    platform: Literal["android", "ios", "web"] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.token is None) == (self.fid is None):
            raise PydanticCustomError("device", "must have exactly one of token and fid")
        return self


class DeviceView(View):
    """A device. Its token is as good as a key to it and is never told; the id is derived from it."""

    id: str
    kind: Literal["token", "fid"]
    platform: str | None
    created_at: Moment
    last_seen_at: Moment
    disabled_at: Moment | None
    disabled_reason: str | None


class DeviceList(View):
    """A user's devices."""

    data: list[DeviceView]


class Deleted(View):
    """It is gone."""

    deleted: Literal[True] = True


class DevicePath(UserPath):
    """Names a device of a user."""

    device: Key


def live_only(caller: Principal) -> None:
    """Users are shared by both modes: a test key that could change a mailbox could redirect live mail."""
    if caller.mode == "test":
        raise Problem(403, "forbidden", "a test key cannot change users, devices or topics: use a live key")


def _user_view(row: Any) -> UserView:
    return UserView(
        id=row.external_id,
        email=row.email,
        locale=row.locale,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _device_view(row: Any) -> DeviceView:
    named = ("kind", "platform", "created_at", "last_seen_at", "disabled_at", "disabled_reason")
    return DeviceView(id=_device_id(row.value), **{name: getattr(row, name) for name in named})


def _device_id(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:16]


@api.declare("PUT", _USER, auth="service", answers={200: UserView})
def put_user(caller: Principal, path: UserPath, body: UserBody) -> UserView:
    """Create or update a user."""
    live_only(caller)
    email = (body.email or "") if "email" in body.model_fields_set else None
    with write(context().engine) as connection:
        person = people.Person(path.user, email, body.locale)
        people.upsert_users(connection, caller.tenant, [person], context().now())
        row = people.find_user(connection, caller.tenant, path.user)
    return _user_view(row)


@api.declare("GET", _USER, auth=["service", "operator"], answers={200: UserView}, problems=[404])
def get_user(caller: Principal, path: UserPath) -> UserView:
    """Look up a user."""
    with read(context().engine) as connection:
        row = people.find_user(connection, caller.tenant, path.user)
    if row is None:
        raise not_found("user")
    return _user_view(row)


@api.declare("DELETE", _USER, auth="service", answers={200: Deleted}, problems=[404])
def delete_user(caller: Principal, path: UserPath) -> Deleted:
    """Delete a user with everything addressed to them, sent or not."""
    live_only(caller)
    with write(context().engine) as connection:
        found = people.delete_user(connection, caller.tenant, path.user)
    if not found:
        raise not_found("user")
    return Deleted()


@api.declare("PUT", f"{_USER}/devices", auth="service", answers={200: DeviceView})
def put_device(caller: Principal, path: UserPath, body: DeviceBody) -> DeviceView:
    """Register a device for push, taking it from whoever had it before. Repeat it at every start of the app."""
    live_only(caller)
    kind, value = ("token", body.token) if body.token is not None else ("fid", body.fid)
    now = context().now()
    with write(context().engine) as connection:
        [user_id] = people.upsert_users(connection, caller.tenant, [people.Person(path.user)], now)
        address_id = people.add_device(connection, caller.tenant, user_id, kind, str(value), body.platform, now)
        rows = people.list_devices(connection, caller.tenant, path.user)
    return _device_view(next(row for row in rows if row.id == address_id))


@api.declare("GET", f"{_USER}/devices", auth=["service", "operator"], answers={200: DeviceList}, problems=[404])
def list_devices(caller: Principal, path: UserPath) -> DeviceList:
    """List a user's devices, with the reason for those no longer used."""
    with read(context().engine) as connection:
        if people.find_user(connection, caller.tenant, path.user) is None:
            raise not_found("user")
        rows = people.list_devices(connection, caller.tenant, path.user)
    return DeviceList(data=[_device_view(row) for row in rows])


@api.declare("DELETE", f"{_USER}/devices/<device>", auth="service", answers={200: Deleted}, problems=[404])
def delete_device(caller: Principal, path: DevicePath) -> Deleted:
    """Forget a device. What is pending for it is suppressed."""
    live_only(caller)
    with write(context().engine) as connection:
        rows = people.list_devices(connection, caller.tenant, path.user)
        ids = [row.id for row in rows if _device_id(row.value) == path.device]
        found = [people.remove_device(connection, caller.tenant, address_id) for address_id in ids]
    if not any(found):
        raise not_found("device")
    return Deleted()
