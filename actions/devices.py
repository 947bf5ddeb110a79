"""Register and delete devices."""

from __future__ import annotations

from collections.abc import Callable

from actions.audit import record
from actions.installation import Installation
from actions.principal import Principal, require_live
from actions.problems import Problem
from actions.users import CHANGE
from models.addresses import devices
from models.addresses.devices import Device
from models.sql.engine import write
from models.users.queries import Person, upsert_users


def register_device(
    installation: Installation, caller: Principal, user: str, *, kind: str, value: str, platform: str | None
) -> Device:
    """Register a device, taking it from the user of the tenant who had it. Unknown users are created.

    Raises Problem (403; 409 if another tenant has it, or this one has no room for one more user).
    """
    require_live(caller, CHANGE)
    tenant, now = caller.tenant, installation.now()
    with write(installation.engine) as connection:
        installation.quotas.require_users(connection, tenant, [user])
        [user_id] = upsert_users(connection, tenant, [Person(user)], now)
        registered = devices.add_device(connection, tenant, user_id, kind, value, platform, now)
        if registered is None:
            detail = (
                "the device is registered in another tenant: delete it there, with DELETE /v1/devices or "
                "DELETE /v1/users/{user}/devices/{device}, and register it again"
            )
            raise Problem(409, "device_in_another_tenant", detail)
        if registered.moved_from is not None:
            moved = {"device": devices.public_id(value), "to": user}
            record(connection, installation, caller, "device.move", registered.moved_from, **moved)
        found = devices.list_devices(connection, tenant, user)
    return next(device for device in found if device.id == registered.id)


def forget_devices(
    installation: Installation, caller: Principal, user: str, which: Callable[[Device], bool] = lambda _: True
) -> int:
    """Delete the user's devices that match. Returns how many. Raises Problem (403)."""
    require_live(caller, CHANGE)
    with write(installation.engine) as connection:
        chosen = [device for device in devices.list_devices(connection, caller.tenant, user) if which(device)]
        return devices.remove_devices(connection, chosen)
