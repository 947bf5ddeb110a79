"""Register and forget devices."""

from __future__ import annotations

from collections.abc import Callable

from actions.installation import Installation
from models.addresses import devices
from models.addresses.devices import Device
from models.sql.engine import write
from models.users.queries import Person, upsert_users


def register_device(
    installation: Installation, tenant: str, user: str, *, kind: str, value: str, platform: str | None
) -> Device:
    """Give the user a device, taking it from the user who had it before. The user is created if need be."""
    now = installation.now()
    with write(installation.engine) as connection:
        [user_id] = upsert_users(connection, tenant, [Person(user)], now)
        address_id = devices.add_device(connection, tenant, user_id, kind, value, platform, now)
        registered = devices.list_devices(connection, tenant, user)
    return next(device for device in registered if device.id == address_id)


def forget_devices(
    installation: Installation, tenant: str, user: str, which: Callable[[Device], bool] = lambda _: True
) -> int:
    """Forget the user's devices that match. Returns how many."""
    with write(installation.engine) as connection:
        chosen = [device for device in devices.list_devices(connection, tenant, user) if which(device)]
        return devices.remove_devices(connection, chosen)
