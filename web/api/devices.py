"""Devices for push: a user's own, with the user's token, and those of all users, with a service's key."""

from __future__ import annotations

import hashlib
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from actions.devices import forget_devices, register_device
from actions.principal import Principal
from actions.problems import not_found
from carillon.fields import InstallationId, Key, RegistrationToken, Strict
from models.addresses import devices
from models.sql.engine import read
from models.users.queries import find_user
from web.api.endpoint import Api
from web.api.fields import Deleted, Moment, UserPath, View
from web.api.users import USER
from web.context import context

api = Api("devices", "Phones and browsers that can be pushed to.")


class DeviceBody(Strict):
    """A device for push: its registration token, or its Firebase installation id."""

    token: RegistrationToken | None = None
    fid: InstallationId | None = None
    platform: Literal["android", "ios", "web"] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.token is None) == (self.fid is None):
            raise PydanticCustomError("device", "must have exactly one of token and fid")
        return self

    @property
    def value(self) -> str:
        """The token or the fid."""
        return self.token or self.fid or ""


class DeviceView(View):
    """A device. Its token is a secret and is not returned; the id is derived from it."""

    id: str
    kind: Literal["token", "fid"]
    platform: str | None
    created_at: Moment
    last_seen_at: Moment = Field(description="When it was last registered.")
    state: devices.DeviceState = Field(
        description=f"stale: not seen for {devices.STALE.days} days, and still tried. expired: not seen for "
        f"{devices.EXPIRED.days}, no longer tried, and soon forgotten. disabled: the provider says that it is gone."
    )
    disabled_at: Moment | None
    disabled_reason: str | None


class DeviceList(View):
    """A user's devices."""

    data: list[DeviceView]


class Forgotten(View):
    """The result of deleting devices."""

    deleted: int = Field(description="The number of devices that were deleted.")


class DevicePath(BaseModel):
    """Names a device of the caller."""

    device: Key


class UserDevicePath(UserPath):
    """Names a device of a user."""

    device: Key


def _view(row: devices.Device) -> DeviceView:
    named = ("kind", "platform", "created_at", "last_seen_at", "disabled_at", "disabled_reason")
    state = devices.state_of(row, context().now())
    return DeviceView(id=id_of(row.value), state=state, **{name: getattr(row, name) for name in named})


def id_of(value: str) -> str:
    """Return the public id of a device, from which its token cannot be derived."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]


def register(caller: Principal, user: str, body: DeviceBody) -> DeviceView:
    """Register a device for the user. If another user had it, it is theirs no more."""
    kind = "token" if body.token is not None else "fid"
    return _view(register_device(context(), caller, user, kind=kind, value=body.value, platform=body.platform))


def listed(tenant: str, user: str) -> list[DeviceView]:
    """Return the user's devices; none if the user is not known."""
    with read(context().engine) as connection:
        return [_view(row) for row in devices.list_devices(connection, tenant, user)]


def _forget_one(caller: Principal, user: str, device: str) -> Deleted:
    if not forget_devices(context(), caller, user, lambda row: id_of(row.value) == device):
        raise not_found("device")
    return Deleted()


@api.declare("PUT", "/devices", auth="user", answers={200: DeviceView}, problems=[409])
def put_own_device(caller: Principal, body: DeviceBody) -> DeviceView:
    """Register a device for push. If another user had it, it moves to this user.

    Repeat it at every start of the app and at every sign-in: that is how the device is known to be in use. Of more than
    twenty devices of a user those are forgotten that were not seen for longest.
    """
    return register(caller, caller.id, body)


@api.declare("GET", "/devices", auth="user", answers={200: DeviceList})
def list_own_devices(caller: Principal) -> DeviceList:
    """List the user's devices, with the reason for those no longer used."""
    return DeviceList(data=listed(caller.tenant, caller.id))


@api.declare("DELETE", "/devices/<device>", auth="user", answers={200: Deleted}, problems=[404])
def delete_own_device(caller: Principal, path: DevicePath) -> Deleted:
    """Delete one of the user's devices. Its pending deliveries are suppressed."""
    return _forget_one(caller, caller.id, path.device)


@api.declare("DELETE", "/devices", auth="user", answers={200: Forgotten})
def delete_own_devices(caller: Principal) -> Forgotten:
    """Delete all of the user's devices."""
    return Forgotten(deleted=forget_devices(context(), caller, caller.id))


@api.declare("PUT", f"{USER}/devices", auth="service", answers={200: DeviceView}, problems=[409])
def put_device(caller: Principal, path: UserPath, body: DeviceBody) -> DeviceView:
    """Register a device for push. If another user had it, it moves to this user. Repeat at every start of the app."""
    return register(caller, path.user, body)


@api.declare("GET", f"{USER}/devices", auth=["service", "operator"], answers={200: DeviceList}, problems=[404])
def list_devices(caller: Principal, path: UserPath) -> DeviceList:
    """List a user's devices, with the reason for those no longer used."""
    found = listed(caller.tenant, path.user)
    if not found:
        with read(context().engine) as connection:
            if find_user(connection, caller.tenant, path.user) is None:
                raise not_found("user")
    return DeviceList(data=found)


@api.declare("DELETE", f"{USER}/devices/<device>", auth="service", answers={200: Deleted}, problems=[404])
def delete_device(caller: Principal, path: UserDevicePath) -> Deleted:
    """Delete a device. Its pending deliveries are suppressed."""
    return _forget_one(caller, path.user, path.device)
